"""The network half of the full tenant: address plan, groups, networks, routers, ports, floating IPs, sharing, VPN."""


def made(tenant, cloud, path, key, label, **fields):
    """Makes one object, remembers its id under `label`, sets its tags."""
    tags = fields.pop('tags', None)
    if 'name' not in fields and key not in ('floatingip', 'security_group_rule', 'rbac_policy'):
        fields['name'] = label
    row = cloud.network('POST', '/' + path, {key: fields})[key]
    tenant.ids[label] = row['id']
    if tags:
        cloud.network('PUT', '/%s/%s/tags' % (path.removeprefix('qos/'), row['id']), {'tags': tags})
    return row


def address_plan(t):
    c = t.cloud
    made(t, c, 'address-scopes', 'address_scope', 'scope', ip_version=4)
    made(t, c, 'address-scopes', 'address_scope', 'scope6', ip_version=6)
    made(t, c, 'subnetpools', 'subnetpool', 'pool', prefixes=['10.77.0.0/16', '10.79.0.0/20'], default_prefixlen=26, min_prefixlen=24, max_prefixlen=28,
         address_scope_id=t.ids['scope'], description='plan \u2013 IPv4', default_quota=2048, tags=['plan'])
    made(t, c, 'subnetpools', 'subnetpool', 'pool6', prefixes=['fd00:77::/48'], default_prefixlen=64, address_scope_id=t.ids['scope6'])
    made(t, c, 'address-groups', 'address_group', 'offices', description='office ranges', addresses=['192.0.2.0/24', '198.51.100.7/32', '2001:db8:7::/48'])
    made(t, c, 'address-groups', 'address_group', 'nobody', addresses=[])


def qos(t):
    a, mine = t.admin, t.ids['acme']
    p = made(t, a, 'qos/policies', 'policy', 'qos', name='10mbit', project_id=mine, description='10 Mbit/s')['id']
    for kind, rule in (('bandwidth_limit', {'max_kbps': 10000, 'max_burst_kbps': 1000, 'direction': 'egress'}),
                       ('bandwidth_limit', {'max_kbps': 20000, 'max_burst_kbps': 2000, 'direction': 'ingress'}), ('dscp_marking', {'dscp_mark': 26})):
        a.network('POST', '/qos/policies/%s/%s_rules' % (p, kind), {kind + '_rule': rule})
    made(t, a, 'qos/policies', 'policy', 'qos-empty', name='unlimited', project_id=mine, tags=['spare'])


def security_groups(t):
    c, ids = t.cloud, t.ids
    for name, fields in (('web', {'description': 'web servers', 'tags': ['tier:web']}), ('db', {'description': 'databases'}), ('stateless', {'stateful': False}), ('unused', {})):
        made(t, c, 'security-groups', 'security_group', 'sg-' + name, name=name, **fields)
    c.network('GET', '/security-groups')   # makes `default`, where it is not there yet
    default = next(g for g in c.network('GET', '/security-groups?name=default')['security_groups'] if g['project_id'] == ids['acme'])
    for rule in default['security_group_rules']:
        if rule['direction'] == 'ingress':
            c.network('DELETE', '/security-group-rules/' + rule['id'])
    web, db, unused = ids['sg-web'], ids['sg-db'], ids['sg-unused']

    def rule(group, direction='ingress', ethertype='IPv4', **fields):
        c.network('POST', '/security-group-rules', {'security_group_rule': dict(fields, security_group_id=group, direction=direction, ethertype=ethertype)})
    for port in (80, 443):
        rule(web, protocol='tcp', port_range_min=port, port_range_max=port, remote_ip_prefix='0.0.0.0/0', description='port %d' % port)
        rule(web, ethertype='IPv6', protocol='tcp', port_range_min=port, port_range_max=port, remote_ip_prefix='::/0')
    rule(web, protocol='tcp', port_range_min=22, port_range_max=22, remote_address_group_id=ids['offices'])
    rule(web, protocol='icmp', port_range_min=8, port_range_max=0, remote_ip_prefix='10.0.0.0/8')
    rule(web, protocol='tcp', port_range_min=9000, port_range_max=9100, remote_group_id=db, description='one half of a cycle')
    rule(db, protocol='tcp', port_range_min=3306, port_range_max=3306, remote_group_id=web, description='the other half')
    rule(db, remote_group_id=db, description='itself')
    rule(db, direction='egress', protocol='udp', port_range_min=1000, port_range_max=2000, remote_ip_prefix='10.10.2.0/24')
    rule(db, protocol='112')
    rule(default['id'], protocol='tcp', port_range_min=22, port_range_max=22, remote_address_group_id=ids['offices'], description='changed default')
    rule(default['id'], protocol='icmp', remote_group_id=web)
    rules = next(g for g in c.network('GET', '/security-groups?name=unused')['security_groups'] if g['id'] == unused)['security_group_rules']
    for row in rules:   # a group without any rule, not even the ones it was made with
        c.network('DELETE', '/security-group-rules/' + row['id'])


def networks(t):
    c, ids = t.cloud, t.ids
    front = made(t, c, 'networks', 'network', 'front', description='front network \u2013 web', mtu=1400, dns_domain='front.acme.example.', tags=['env:prod', 'web'])['id']
    back = made(t, c, 'networks', 'network', 'back', description='database network', port_security_enabled=True)['id']
    spare = made(t, c, 'networks', 'network', 'disabled', admin_state_up=False)['id']
    made(t, c, 'networks', 'network', 'bare', qos_policy_id=ids['qos'], port_security_enabled=False)
    made(t, c, 'subnets', 'subnet', 'front-v4', network_id=front, ip_version=4, cidr='10.10.1.0/24', gateway_ip='10.10.1.1', description='v4', tags=['v4'],
         dns_nameservers=['9.9.9.9', '1.1.1.1'], allocation_pools=[{'start': '10.10.1.100', 'end': '10.10.1.150'}, {'start': '10.10.1.200', 'end': '10.10.1.220'}],
         host_routes=[{'destination': '192.168.77.0/24', 'nexthop': '10.10.1.254'}])
    made(t, c, 'subnets', 'subnet', 'front-v6', network_id=front, ip_version=6, cidr='fd00:acae:1::/64', ipv6_address_mode='slaac', ipv6_ra_mode='slaac')
    made(t, c, 'subnets', 'subnet', 'back-v4', network_id=back, ip_version=4, cidr='10.10.2.0/24', gateway_ip=None, enable_dhcp=False)
    made(t, c, 'subnets', 'subnet', 'back-v6', network_id=back, ip_version=6, cidr='fd00:acae:2::/64', ipv6_address_mode='dhcpv6-stateful', ipv6_ra_mode='dhcpv6-stateful')
    made(t, c, 'subnets', 'subnet', 'pooled-v4', network_id=spare, ip_version=4, subnetpool_id=ids['pool'])
    made(t, c, 'subnets', 'subnet', 'pooled-v6', network_id=spare, ip_version=6, subnetpool_id=ids['pool6'], prefixlen=64)


def routers(t):
    c, ids = t.cloud, t.ids
    public = ids['public'] = next(n['id'] for n in c.network('GET', '/networks?router:external=true')['networks'] if n['name'] == 'public')
    router = made(t, c, 'routers', 'router', 'edge', description='edge', external_gateway_info={'network_id': public}, tags=['edge'])['id']
    for subnet in ('front-v4', 'front-v6'):
        c.network('PUT', '/routers/%s/add_router_interface' % router, {'subnet_id': ids[subnet]})
    leg = made(t, c, 'ports', 'port', 'router-leg', network_id=ids['back'], fixed_ips=[{'subnet_id': ids['back-v4'], 'ip_address': '10.10.2.1'}])['id']
    c.network('PUT', '/routers/%s/add_router_interface' % router, {'port_id': leg})
    c.network('PUT', '/routers/' + router, {'router': {'routes': [
        {'destination': '192.168.88.0/24', 'nexthop': '10.10.1.254'}, {'destination': '192.168.89.0/24', 'nexthop': '10.10.2.254'}]}})
    inner = made(t, c, 'routers', 'router', 'internal', admin_state_up=False)['id']
    c.network('PUT', '/routers/%s/add_router_interface' % inner, {'subnet_id': ids['pooled-v4']})


def ports(t):
    c, ids = t.cloud, t.ids

    def at(subnet, *addresses):
        return [{'subnet_id': ids[subnet], 'ip_address': a} for a in addresses]
    made(t, c, 'ports', 'port', 'p-web', name='web-1', description='fixed address', network_id=ids['front'], fixed_ips=at('front-v4', '10.10.1.10'), tags=['primary'],
         security_groups=[ids['sg-web']], qos_policy_id=ids['qos'], dns_name='web-1', extra_dhcp_opts=[{'opt_name': 'mtu', 'opt_value': '1400', 'ip_version': 4}],
         allowed_address_pairs=[{'ip_address': '10.10.1.9'}, {'ip_address': '10.10.1.64/28', 'mac_address': 'fa:16:3e:aa:bb:cc'}])
    # Two tenants of one lab must not have the same MAC address on one network; these networks are their own.
    made(t, c, 'ports', 'port', 'p-db', name='db-1', network_id=ids['front'], fixed_ips=at('front-v4', '10.10.1.20'), security_groups=[ids['sg-web'], ids['sg-db']], mac_address='fa:16:3e:12:34:56')
    made(t, c, 'ports', 'port', 'no-security', network_id=ids['back'], port_security_enabled=False, security_groups=[])
    made(t, c, 'ports', 'port', 'down', network_id=ids['back'], admin_state_up=False, security_groups=[ids['sg-stateless']])
    made(t, c, 'ports', 'port', 'two-addresses', network_id=ids['front'], fixed_ips=at('front-v4', '10.10.1.30', '10.10.1.31'), device_owner='lab:appliance', device_id='appliance-1')
    made(t, c, 'ports', 'port', 'no-address', network_id=ids['bare'])
    made(t, c, 'ports', 'port', 'trunk-parent', network_id=ids['back'])   # a subport's MTU may not exceed its parent's
    made(t, c, 'ports', 'port', 'trunk-sub', network_id=ids['front'])
    made(t, c, 'trunks', 'trunk', 'trunk', port_id=ids['trunk-parent'], description='one VLAN', tags=['vlan'],
         sub_ports=[{'port_id': ids['trunk-sub'], 'segmentation_type': 'vlan', 'segmentation_id': 42}])


def sharing(t):
    c, ids = t.cloud, t.ids
    for kind, thing, action in (('network', 'back', 'access_as_shared'), ('address_scope', 'scope', 'access_as_shared'), ('security_group', 'sg-web', 'access_as_shared')):
        made(t, c, 'rbac-policies', 'rbac_policy', 'rbac-' + thing, object_type=kind, object_id=ids[thing], action=action, target_tenant=ids['globex'])
    label = made(t, t.admin, 'metering/metering-labels', 'metering_label', 'traffic', project_id=ids['acme'], description='billing')['id']
    t.admin.network('POST', '/metering/metering-label-rules', {'metering_label_rule': {
        'metering_label_id': label, 'direction': 'ingress', 'remote_ip_prefix': '192.0.2.0/24', 'excluded': False}})
    if any(e['alias'] == 'logging' for e in t.admin.network('GET', '/extensions')['extensions']):
        made(t, t.admin, 'log/logs', 'log', 'drops', project_id=ids['acme'], resource_type='security_group', resource_id=ids['sg-web'], event='DROP', description='what the web tier refuses')


def floating_ips(t):
    c, ids = t.cloud, t.ids

    def address(name, **fields):
        return made(t, c, 'floatingips', 'floatingip', name, floating_network_id=ids['public'], **fields)['id']
    address('fip-web', port_id=ids['p-web'], description='www', tags=['www'])
    address('fip-free', description='reserved')
    forwarded = address('fip-forwarded', description='forwarded')
    for outer, inner in ((13306, 3306), (10022, 22)):
        c.network('POST', '/floatingips/%s/port_forwardings' % forwarded, {'port_forwarding': {
            'internal_ip_address': '10.10.1.20', 'internal_port': inner, 'internal_port_id': ids['p-db'], 'external_port': outer, 'protocol': 'tcp', 'description': 'to port %d' % inner}})


def vpn(t):
    c, ids = t.cloud, t.ids
    made(t, c, 'vpn/ikepolicies', 'ikepolicy', 'ike', auth_algorithm='sha256', encryption_algorithm='aes-256', pfs='group14', ike_version='v2', lifetime={'units': 'seconds', 'value': 7200})
    made(t, c, 'vpn/ipsecpolicies', 'ipsecpolicy', 'ipsec', auth_algorithm='sha256', encryption_algorithm='aes-256', pfs='group14', transform_protocol='esp')
    made(t, c, 'vpn/vpnservices', 'vpnservice', 'vpn', router_id=ids['edge'], description='to the office')
    made(t, c, 'vpn/endpoint-groups', 'endpoint_group', 'local', type='subnet', endpoints=[ids['front-v4']])
    made(t, c, 'vpn/endpoint-groups', 'endpoint_group', 'remote', type='cidr', endpoints=['192.168.200.0/24', '192.168.201.0/24'])
    made(t, c, 'vpn/ipsec-site-connections', 'ipsec_site_connection', 'office', vpnservice_id=ids['vpn'], ikepolicy_id=ids['ike'], ipsecpolicy_id=ids['ipsec'],
         peer_address='203.0.113.5', peer_id='203.0.113.5', psk='s3cret-psk', local_ep_group_id=ids['local'], peer_ep_group_id=ids['remote'], mtu=1400,
         initiator='bi-directional', dpd={'action': 'restart', 'interval': 20, 'timeout': 90})


STEPS = (address_plan, qos, security_groups, networks, routers, ports, sharing)
AFTER = (floating_ips, vpn)
