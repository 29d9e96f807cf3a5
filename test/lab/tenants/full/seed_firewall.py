"""A small edge with a firewall, in a cloud that has FWaaS: one of each of its objects, beside those that the service makes by itself."""


def firewall(tenant):
    cloud = tenant.connect('acme-admin')
    net = cloud.network
    if not any(one['alias'] == 'fwaas_v2' for one in net('GET', '/extensions')['extensions']):
        return

    def made(path, kind, **fields):
        return net('POST', '/' + path, {kind: fields})[kind]

    network = made('networks', 'network', name='edge')['id']
    router = made('routers', 'router', name='edge')['id']
    subnets = [made('subnets', 'subnet', name='edge-%d' % n, network_id=network, ip_version=4, cidr='10.30.%d.0/24' % n)['id'] for n in (1, 2)]
    ports = [net('PUT', '/routers/%s/add_router_interface' % router, {'subnet_id': subnet})['port_id'] for subnet in subnets]
    web = made('fwaas/firewall_rules', 'firewall_rule', name='web', protocol='tcp', destination_port='80:443', action='allow', description='to the web \u2013 servers')['id']
    off = made('fwaas/firewall_rules', 'firewall_rule', name='off', ip_version=6, source_ip_address='fd00:30::/64', action='reject', enabled=False)['id']
    shared = made('fwaas/firewall_rules', 'firewall_rule', name='ping', protocol='icmp', action='allow', shared=True)['id']
    inward = made('fwaas/firewall_policies', 'firewall_policy', name='inward', firewall_rules=[web, shared, off], audited=True)['id']
    outward = made('fwaas/firewall_policies', 'firewall_policy', name='outward', description='all that goes out', firewall_rules=[shared])['id']
    made('fwaas/firewall_groups', 'firewall_group', name='edge', description='of the edge', ingress_firewall_policy_id=inward, egress_firewall_policy_id=outward, ports=ports[:1])
    made('fwaas/firewall_groups', 'firewall_group', name='spare', admin_state_up=False, ingress_firewall_policy_id=inward)
    # What a tenant changes of the group that the service made.
    default = net.all('/fwaas/firewall_groups?name=default&project_id=' + cloud.project, 'firewall_groups')[0]
    net('PUT', '/fwaas/firewall_groups/' + default['id'], {'firewall_group': {'ports': ports[1:], 'description': 'changed'}})
