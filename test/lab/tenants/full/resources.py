"""Every resource of a project, as the APIs give it: type -> list of raw bodies. Read only.

A body is the API's own, with nothing renamed. What belongs to another object and says so only in its URL gets that
object's id in a field that starts with `of_`. What the tenant cannot list is read as the administrator.
"""
import urllib.parse

from cloud import Refused, say

NETWORK = {
    'network': 'networks', 'subnet': 'subnets', 'subnet-pool': 'subnetpools', 'address-scope': 'address-scopes',
    'address-group': 'address-groups', 'security-group': 'security-groups', 'qos-policy': 'qos/policies', 'router': 'routers',
    'port': 'ports', 'trunk': 'trunks', 'floating-ip': 'floatingips', 'rbac-policy': 'rbac-policies',
    'metering-label': 'metering/metering-labels', 'log': 'log/logs',
    'local-ip': 'local_ips', 'ndp-proxy': 'ndp_proxies', 'vpn-service': 'vpn/vpnservices', 'ike-policy': 'vpn/ikepolicies',
    'ipsec-policy': 'vpn/ipsecpolicies', 'vpn-endpoint-group': 'vpn/endpoint-groups', 'ipsec-site-connection': 'vpn/ipsec-site-connections',
    'firewall-group': 'fwaas/firewall_groups', 'firewall-policy': 'fwaas/firewall_policies', 'firewall-rule': 'fwaas/firewall_rules',
}
BALANCE = {'load-balancer': 'loadbalancers', 'listener': 'listeners', 'pool': 'pools', 'health-monitor': 'healthmonitors', 'l7-policy': 'l7policies'}
VOLUME = {'volume': 'volumes/detail', 'snapshot': 'snapshots/detail', 'backup': 'backups/detail', 'group': 'groups/detail',
          'group-snapshot': 'group_snapshots/detail', 'attachment': 'attachments/detail', 'transfer': 'volume-transfers/detail'}
VOLUME_KEYS = {'transfer': 'transfers'}


def owned(rows, project):
    """A list may hold what others share; a body without an owner was asked for by its parent."""
    return [row for row in rows if (row.get('project_id') or row.get('tenant_id') or project) == project]


def absent(call):
    """None where this cloud has not the collection (404), or keeps it from this user (403)."""
    try:
        return call()
    except Refused as refused:
        if refused.status in (403, 404):
            return None
        raise


def network(cloud, found):
    for kind, path in NETWORK.items():
        if path.startswith('fwaas/'):   # the first listing makes the group `default`, and does not show it
            absent(lambda: cloud.network('GET', '/%s?project_id=%s' % (path, cloud.project)))
        rows = absent(lambda: cloud.network.all('/%s?project_id=%s' % (path, cloud.project), path.split('/')[-1].replace('-', '_')))
        if rows is not None:
            found['neutron.' + kind] = [r for r in owned(rows, cloud.project) if (r.get('project_id') or r.get('tenant_id')) and not r.get('name', '').startswith('vpn-transit-')]
    # What the VPN agent makes for itself, in the tenant's name.
    transit = {n['id'] for router in found['neutron.router'] for n in cloud.network.all('/networks?name=vpn-transit-network-' + router['id'], 'networks')}
    found['neutron.port'] = [p for p in found['neutron.port'] if p['network_id'] not in transit]
    labels = {label['id'] for label in found.get('neutron.metering-label', ())}
    if labels:   # a rule has no owner but its label
        found['neutron.metering-label-rule'] = [r for r in cloud.network.all('/metering/metering-label-rules', 'metering_label_rules') if r['metering_label_id'] in labels]
    for router in found['neutron.router']:
        helpers = absent(lambda: cloud.network('GET', '/routers/%s/conntrack_helpers' % router['id'])['conntrack_helpers'])
        if helpers is not None:
            found.setdefault('neutron.conntrack-helper', []).extend(dict(h, of_router=router['id']) for h in helpers)
    found['neutron.port-forwarding'] = [
        dict(row, of_floating_ip=ip['id']) for ip in found['neutron.floating-ip']
        for row in absent(lambda: cloud.network('GET', '/floatingips/%s/port_forwardings' % ip['id'])['port_forwardings']) or []]


def balance(cloud, found):
    for kind, key in BALANCE.items():
        found['octavia.' + kind] = owned(cloud.balance.all('/%s?project_id=%s' % (key, cloud.project), key), cloud.project)
    found['octavia.member'] = [dict(m, of_pool=p['id']) for p in found['octavia.pool'] for m in cloud.balance.all('/pools/%s/members' % p['id'], 'members')]
    found['octavia.l7-rule'] = [dict(r, of_policy=p['id']) for p in found['octavia.l7-policy'] for r in cloud.balance.all('/l7policies/%s/rules' % p['id'], 'rules')]


def compute(cloud, admin, users, found):
    servers = found['nova.server'] = cloud.compute.all('/servers/detail', 'servers')
    found['nova.server-group'] = cloud.compute.all('/os-server-groups', 'server_groups')
    found['nova.volume-attachment'] = [dict(a, of_server=s['id']) for s in servers for a in cloud.compute('GET', '/servers/%s/os-volume_attachments' % s['id'])['volumeAttachments']]
    found['nova.interface'] = [dict(i, of_server=s['id']) for s in servers for i in cloud.compute('GET', '/servers/%s/os-interface' % s['id'])['interfaceAttachments']]
    found['nova.keypair'] = [dict(k['keypair'], of_user=user) for user in users for k in admin.compute.all('/os-keypairs?user_id=' + user, 'keypairs')]
    found['nova.flavor'] = cloud.compute.all('/flavors/detail', 'flavors')


def volume(cloud, found):
    for kind, path in VOLUME.items():
        rows = absent(lambda: cloud.volume.all('/' + path, VOLUME_KEYS.get(kind, path.split('/')[0])))
        if rows is not None:
            found['cinder.' + kind] = rows
    found['cinder.volume-encryption'] = [
        dict(cloud.volume('GET', '/volumes/%s/encryption' % v['id']), of_volume=v['id']) for v in found['cinder.volume'] if v['encrypted']]
    found['cinder.volume-type'] = cloud.volume.all('/types', 'volume_types')


def image(cloud, found):
    def following(page):
        return page['next'].removeprefix('/v2') if page.get('next') else None
    rows = [i for hidden in ('false', 'true') for i in cloud.image.all('/images?owner=%s&os_hidden=%s' % (cloud.project, hidden), 'images', following)]
    found['glance.image'] = [i for i in rows if i['owner'] == cloud.project]
    found['glance.image-member'] = [m for i in found['glance.image'] if i['visibility'] == 'shared' for m in cloud.image('GET', '/images/%s/members' % i['id'])['members']]


def quoted(*parts):
    return ''.join('/' + urllib.parse.quote(part, safe='') for part in parts)


def listing(cloud, *parts, query=''):
    """Rows of an account or container. The marker of a list of versions has two parts."""
    rows, marker = [], ''
    while True:
        page = cloud.object.raw('GET', quoted(*parts) + '?format=json&limit=1000' + query + marker).json() or []
        rows += page
        if len(page) < 1000:
            return rows
        marker = '&marker=' + urllib.parse.quote(page[-1]['name'], safe='')
        if 'version_id' in page[-1]:
            marker += '&version_marker=' + urllib.parse.quote(page[-1]['version_id'] or 'null', safe='')


def headers(cloud, *parts, query=''):
    passing = ('date', 'x-trans-id', 'x-openstack-request-id', 'connection', 'vary', 'accept-ranges')
    answer = cloud.object.raw('HEAD', quoted(*parts) + query)
    return {k.lower(): v.encode('latin-1').decode('utf-8', 'replace') for k, v in sorted(answer.headers.items()) if k.lower() not in passing}


def objects(cloud, found):
    found['swift.account'] = [{'headers': headers(cloud)}]
    found['swift.container'] = [dict(row, headers=headers(cloud, row['name'])) for row in listing(cloud)]
    rows = found['swift.object'] = []
    for container in found['swift.container']:
        versioned = container['headers'].get('x-versions-enabled', '').lower() == 'true'
        for row in listing(cloud, container['name'], query='&versions' if versioned else ''):
            query = '?symlink=get' + ('&version-id=' + row['version_id'] if versioned else '')
            marker = row.get('content_type', '').startswith('application/x-deleted')
            body = dict(row, of_container=container['name'], headers={} if marker else headers(cloud, container['name'], row['name'], query=query))
            if 'x-static-large-object' in body['headers']:
                body['segments'] = cloud.object.raw('GET', quoted(container['name'], row['name']) + '?multipart-manifest=get&format=raw').json()
            rows.append(body)


def keys(cloud, found):
    def pages(what):
        rows = []
        while True:
            page = cloud.keys('GET', '/%s?limit=100&offset=%d' % (what, len(rows)))
            rows += page[what]
            if len(rows) >= page['total'] or not page[what]:
                return rows
    for what, kind, ref in (('secrets', 'secret', 'secret_ref'), ('containers', 'container', 'container_ref')):
        rows = found['barbican.' + kind] = pages(what)
        for row in rows:
            row['id'] = row[ref].split('/')[-1]
            row['of_acl'] = absent(lambda: cloud.keys('GET', '/%s/%s/acl' % (what, row['id'])))
            if kind == 'secret':
                row['of_metadata'] = absent(lambda: cloud.keys('GET', '/secrets/%s/metadata' % row['id']))
    found['barbican.order'] = pages('orders')


def dns(cloud, found):
    zones = found['designate.zone'] = cloud.dns.all('/zones', 'zones', lambda page: page['links'].get('next'))
    found['designate.recordset'] = [r for z in zones for r in cloud.dns.all('/zones/%s/recordsets' % z['id'], 'recordsets', lambda page: page['links'].get('next'))]


def identity(cloud, admin, found):
    """Returns the ids of the users of the project: by a role, or by a group that has one."""
    api = admin.identity
    found['keystone.project'] = [api('GET', '/projects/' + cloud.project)['project']]
    roles = found['keystone.role-assignment'] = api.all('/role_assignments?include_names&scope.project.id=' + cloud.project, 'role_assignments')
    inherited = api.all('/role_assignments?include_names&scope.OS-INHERIT:inherited_to=projects&scope.project.id=' + cloud.project, 'role_assignments')
    roles += [r for r in inherited if r not in roles]
    found['keystone.group'] = [api('GET', '/groups/' + g)['group'] for g in sorted({r['group']['id'] for r in roles if 'group' in r})]
    found['keystone.group-member'] = [{'of_group': g['id'], 'user_id': u['id'], 'name': u['name']}
                                      for g in found['keystone.group'] for u in api.all('/groups/%s/users' % g['id'], 'users')]
    users = sorted({r['user']['id'] for r in roles if 'user' in r} | {m['user_id'] for m in found['keystone.group-member']})
    found['keystone.user'] = [api('GET', '/users/' + u)['user'] for u in users]
    found['keystone.application-credential'] = [c for u in users for c in api.all('/users/%s/application_credentials' % u, 'application_credentials') if c['project_id'] == cloud.project]
    found['keystone.ec2-credential'] = [c for u in users for c in absent(lambda: api.all('/users/%s/credentials/OS-EC2' % u, 'credentials')) or [] if c['tenant_id'] == cloud.project]
    found['keystone.trust'] = [t for u in users for t in api.all('/OS-TRUST/trusts?trustor_user_id=' + u, 'trusts') if t['project_id'] == cloud.project]
    return users


def quotas(cloud, admin, found):
    found['nova.quota'] = [admin.compute('GET', '/os-quota-sets/' + cloud.project)['quota_set']]
    found['cinder.quota'] = [admin.volume('GET', '/os-quota-sets/' + cloud.project)['quota_set']]
    found['neutron.quota'] = [admin.network('GET', '/quotas/' + cloud.project)['quota']]
    if cloud.has('balance'):
        found['octavia.quota'] = [admin.balance('GET', '/quotas/' + cloud.project)['quota']]
    if cloud.has('dns'):
        found['designate.quota'] = [admin.dns.raw('GET', '/quotas/' + cloud.project, headers={'X-Auth-All-Projects': 'true'}).json()]


def read(cloud, admin):
    """{type: [body, …]} of the project `cloud` is scoped to."""
    found = {}
    users = identity(cloud, admin, found)
    quotas(cloud, admin, found)
    network(cloud, found)
    compute(cloud, admin, users, found)
    volume(cloud, found)
    image(cloud, found)
    objects(cloud, found)
    for service, part in (('balance', balance), ('keys', keys), ('dns', dns)):
        if cloud.has(service):
            part(cloud, found)
        else:
            say('no %s in the catalogue' % service)
    return found
