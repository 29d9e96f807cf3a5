"""Delete every object of the project of OS_CLOUD, an administrator's, in the right order, and prove it: python3 empty.py [--users]

The project stays, with its name and its people; quotas go back to the defaults and the `default` security group to its first
state. --users: also the users whose default project this is, and the groups with a role in it. Exit status 1: something stayed.
"""
import concurrent.futures, sys, time

import resources
from cloud import Cloud, Refused, say, wait

# What no project is without, and what is not the project's.
NOT_OURS = ('keystone.', 'nova.quota', 'cinder.quota', 'neutron.quota', 'octavia.quota', 'designate.quota', 'nova.flavor', 'cinder.volume-type', 'swift.account', 'nova.keypair')
# The service makes these for a project that has none when somebody lists them.
DEFAULT_RULES = ['default %s ipv%d' % (way, version) for way in ('ingress', 'egress') for version in (4, 6)]
MADE_BY_LISTING = {'neutron.security-group': ['default'], 'neutron.firewall-group': ['default'],
                   'neutron.firewall-policy': ['default ingress', 'default egress'], 'neutron.firewall-rule': DEFAULT_RULES}


def gone(call, tries=1):
    """Runs a deletion; what is not there is deleted, what is still in use (409) may be tried again."""
    for left in reversed(range(tries)):
        try:
            return call()
        except Refused as refused:
            if refused.status == 404:
                return None
            if refused.status not in (400, 409) or not left:
                raise
            time.sleep(1)


def everything(api, path, rows, what, field='status', **options):
    """Deletes rows of a collection and waits until they are gone."""
    for row in rows:
        gone(lambda: api('DELETE', '/%s/%s' % (path, row['id']) + options.get('query', '')), options.get('tries', 20))
    for row in rows:
        key = options.get('key')
        wait(lambda: api('GET', '/%s/%s' % (path, row['id']))[key] if key else api('GET', '/%s/%s' % (path, row['id'])), None, what, field=field)


def servers(cloud, admin, found):
    for server in found['nova.server']:
        if server['locked']:
            gone(lambda: admin.compute('POST', '/servers/%s/action' % server['id'], {'unlock': None}))
    everything(cloud.compute, 'servers', found['nova.server'], 'server', key='server')
    for group in found['nova.server-group']:
        gone(lambda: cloud.compute('DELETE', '/os-server-groups/' + group['id']))
    homes = {u['id'] for u in found['keystone.user'] if u.get('default_project_id') == cloud.project}
    for keypair in found['nova.keypair']:
        if keypair['of_user'] in homes:
            gone(lambda: admin.compute('DELETE', '/os-keypairs/%s?user_id=%s' % (keypair['name'], keypair['of_user'])))


def balancers(cloud, found):
    for row in found['octavia.load-balancer']:
        for _ in range(120):
            if not cloud.balance('GET', '/loadbalancers/' + row['id'])['loadbalancer']['provisioning_status'].startswith('PENDING'):
                break
            time.sleep(.5)
    everything(cloud.balance, 'loadbalancers', found['octavia.load-balancer'], 'load balancer', 'provisioning_status', query='?cascade=true', key='loadbalancer')


def firewalls(cloud, admin, found):
    """Groups without their ports first; an administrator may delete `default`, and the service makes it again when it is next listed."""
    net = admin.network
    for kind in ('firewall-group', 'firewall-policy', 'firewall-rule'):
        for row in found.get('neutron.' + kind, ()):
            path = '/fwaas/%s/%s' % (resources.NETWORK[kind].split('/')[1], row['id'])
            if row.get('ports'):
                gone(lambda: net('PUT', path, {kind.replace('-', '_'): {'ports': []}}), 30)
            gone(lambda: net('DELETE', path), 30)


def edges(cloud, admin, found):
    """What hangs on routers and ports, then routers, ports, networks, and what those refer to."""
    net = cloud.network
    for row in found['neutron.port-forwarding']:
        gone(lambda: net('DELETE', '/floatingips/%s/port_forwardings/%s' % (row['of_floating_ip'], row['id'])))
    for kind, path in (('ipsec-site-connection', 'vpn/ipsec-site-connections'), ('vpn-endpoint-group', 'vpn/endpoint-groups'), ('vpn-service', 'vpn/vpnservices'),
                       ('ike-policy', 'vpn/ikepolicies'), ('ipsec-policy', 'vpn/ipsecpolicies'), ('floating-ip', 'floatingips'), ('trunk', 'trunks')):
        for row in found.get('neutron.' + kind, ()):
            gone(lambda: net('DELETE', '/%s/%s' % (path, row['id'])), 30)
    for router in found['neutron.router']:
        gone(lambda: net('PUT', '/routers/' + router['id'], {'router': {'routes': []}}))
        for port in net.all('/ports?device_id=' + router['id'], 'ports'):
            if port['device_owner'].startswith('network:router_interface'):
                gone(lambda: net('PUT', '/routers/%s/remove_router_interface' % router['id'], {'port_id': port['id']}))
        gone(lambda: net('DELETE', '/routers/' + router['id']), 30)
    for port in net.all('/ports?project_id=' + cloud.project, 'ports'):
        if port['device_owner'] not in ('network:distributed', 'network:dhcp'):
            gone(lambda: admin.network('DELETE', '/ports/' + port['id']), 30)
    # The port of a volume-less no-op amphora belongs to the service's project, and holds the subnet for a moment.
    for network in found['neutron.network']:
        gone(lambda: net('DELETE', '/networks/' + network['id']), 60)
    for row in resources.owned(net.all('/rbac-policies?project_id=' + cloud.project, 'rbac_policies'), cloud.project):
        gone(lambda: admin.network('DELETE', '/rbac-policies/' + row['id']))
    for kind, path in (('log', 'log/logs'), ('metering-label', 'metering/metering-labels')):
        for row in found.get('neutron.' + kind, ()):
            gone(lambda: admin.network('DELETE', '/%s/%s' % (path, row['id'])))
    # An administrator may delete `default`: Neutron makes a new one when it is next needed.
    for kind, path in (('security-group', 'security-groups'), ('address-group', 'address-groups'), ('subnet', 'subnets'), ('subnet-pool', 'subnetpools'),
                       ('address-scope', 'address-scopes'), ('qos-policy', 'qos/policies')):
        for row in found['neutron.' + kind]:
            gone(lambda: admin.network('DELETE', '/%s/%s' % (path, row['id'])), 30)


def volumes(cloud, found):
    api = cloud.volume
    for row in found.get('cinder.transfer', ()):
        gone(lambda: api('DELETE', '/volume-transfers/' + row['id']))
    everything(api, 'backups', found.get('cinder.backup', ()), 'backup', key='backup')
    everything(api, 'group_snapshots', found.get('cinder.group-snapshot', ()), 'group snapshot', key='group_snapshot')
    # RBD clones: a volume of a snapshot goes before the snapshot, that before its volume.
    made_of = [v for v in found['cinder.volume'] if v['snapshot_id'] or v['source_volid']]
    everything(api, 'volumes', [v for v in made_of if not v['group_id']], 'volume', key='volume', tries=60)
    everything(api, 'snapshots', api.all('/snapshots/detail', 'snapshots'), 'volume snapshot', key='snapshot')
    for group in found.get('cinder.group', ()):
        gone(lambda: api('POST', '/groups/%s/action' % group['id'], {'delete': {'delete-volumes': True}}), 20)
        wait(lambda: api('GET', '/groups/' + group['id'])['group'], None, 'volume group')
    everything(api, 'volumes', api.all('/volumes/detail', 'volumes'), 'volume', key='volume', tries=60)


def images(cloud, found):
    for image in found['glance.image']:
        if image['protected']:
            cloud.image.raw('PATCH', '/images/' + image['id'], json=[{'op': 'replace', 'path': '/protected', 'value': False}],
                            headers={'Content-Type': 'application/openstack-images-v2.1-json-patch'})
        gone(lambda: cloud.image('DELETE', '/images/' + image['id']))


def store(cloud, found):
    api, quoted = cloud.object, resources.quoted
    for container in found['swift.container']:
        name, headers = container['name'], container['headers']
        if 'x-versions-enabled' in headers or 'x-versions-location' in headers or 'x-history-location' in headers:
            api.raw('POST', quoted(name), headers={'X-Versions-Enabled': 'false'} if 'x-versions-enabled' in headers else {'X-Remove-Versions-Location': '1', 'X-Remove-History-Location': '1'})
    for container in found['swift.container']:
        name = container['name']
        for row in resources.listing(cloud, name, query='&versions') if 'x-versions-enabled' in container['headers'] else resources.listing(cloud, name):
            version = row.get('version_id')
            gone(lambda: api.raw('DELETE', quoted(name, row['name']) + ('?version-id=' + version if version else '')))
        gone(lambda: api.raw('DELETE', quoted(name)), 10)
    metadata = [k for k in found['swift.account'][0]['headers'] if k.startswith('x-account-meta-') and 'quota' not in k]
    if metadata:
        api.raw('POST', '', headers={k.replace('x-account-meta-', 'x-remove-account-meta-'): 'x' for k in metadata})


def secrets(cloud, found):
    # Listed again: deleting an encrypted volume has deleted its key.
    left = {}
    resources.keys(cloud, left)
    for kind, path in (('container', 'containers'), ('order', 'orders'), ('secret', 'secrets')):
        for row in left['barbican.' + kind]:
            gone(lambda: cloud.keys('DELETE', '/%s/%s' % (path, (row.get('id') or row['order_ref'].split('/')[-1]))))


def zones(cloud, found):
    deepest = sorted(found['designate.zone'], key=lambda zone: -zone['name'].count('.'))   # a zone goes after its subzones
    everything(cloud.dns, 'zones', deepest, 'zone')


def default_quotas(cloud, admin):
    for api, path in ((admin.compute, '/os-quota-sets/'), (admin.volume, '/os-quota-sets/'), (admin.network, '/quotas/')) + (((admin.balance, '/quotas/'),) if cloud.has('balance') else ()):
        gone(lambda: api('DELETE', path + cloud.project))


def users(cloud, admin, found):
    for user in found['keystone.user']:
        if user.get('default_project_id') == cloud.project:
            gone(lambda: admin.identity('DELETE', '/users/' + user['id']))
    for group in found['keystone.group']:
        gone(lambda: admin.identity('DELETE', '/groups/' + group['id']))


def leftovers(cloud, admin):
    left = {}
    for kind, rows in resources.read(cloud, admin).items():
        rows = [r for r in rows if not (kind in MADE_BY_LISTING and r['name'] in MADE_BY_LISTING[kind])]
        if rows and not kind.startswith(NOT_OURS):
            left[kind] = [r.get('name') or r.get('id') for r in rows]
    return left


def empty(cloud, admin):
    """Returns what stayed, {type: [name]}; nothing, when all is well."""
    found = resources.read(cloud, admin)
    say('%d objects' % sum(len(rows) for kind, rows in found.items() if not kind.startswith(NOT_OURS)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        side = [pool.submit(store, cloud, found)]
        if cloud.has('dns'):
            side.append(pool.submit(zones, cloud, found))
        if cloud.has('balance'):
            side.append(pool.submit(balancers, cloud, found))
        servers(cloud, admin, found)
        side += [pool.submit(volumes, cloud, found)]
        for task in side[:-1]:
            task.result()
        firewalls(cloud, admin, found)
        edges(cloud, admin, found)
        side[-1].result()
    images(cloud, found)
    if cloud.has('keys'):
        secrets(cloud, found)
    default_quotas(cloud, admin)
    return leftovers(cloud, admin), found


def main(options):
    cloud, admin = Cloud(), Cloud('lab-admin')
    left, found = empty(cloud, admin)
    for kind, names in left.items():
        print('left: %s %s' % (kind, names), file=sys.stderr)
    if left:
        sys.exit(1)
    if '--users' in options:
        users(cloud, admin, found)
    say('project %s is empty' % cloud.project)


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Refused, RuntimeError) as error:
        sys.exit('empty: %s' % error)
