"""Secrets, load balancers, DNS zones and servers of the full tenant."""
import base64, os, subprocess, tempfile

from cloud import wait
from tenant import ignore_missing
from seed_data import sha256


# ---- Barbican ----
def secret(t, name, payload, kind='opaque', **fields):
    body = dict({'name': name, 'secret_type': kind}, **fields)
    if payload is not None:
        text = kind == 'passphrase'
        body.update(payload=payload.decode() if text else base64.b64encode(payload).decode(), payload_content_type='text/plain' if text else 'application/octet-stream')
        if not text:
            body['payload_content_encoding'] = 'base64'
    ref = t.ids['secret-' + name] = t.cloud.keys('POST', '/secrets', body)['secret_ref']
    if payload is not None:
        t.data['barbican.secret'][ref.split('/')[-1]] = {'name': name, 'sha256': sha256(payload), 'bytes': len(payload)}
    return ref


def secrets(t):
    if not t.cloud.has('keys'):
        return
    api = t.cloud.keys
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=www.acme.example', '-addext', 'subjectAltName=DNS:www.acme.example',
                        '-keyout', folder + '/key.pem', '-out', folder + '/cert.pem'], check=True, capture_output=True)
        subprocess.run(['openssl', 'pkcs12', '-export', '-inkey', folder + '/key.pem', '-in', folder + '/cert.pem', '-passout', 'pass:', '-out', folder + '/both.p12'], check=True, capture_output=True)
        key, certificate, both = (open(folder + '/' + name, 'rb').read() for name in ('key.pem', 'cert.pem', 'both.p12'))
    secret(t, 'www-p12', both)
    container = api('POST', '/containers', {'type': 'certificate', 'name': 'www-certificate', 'secret_refs': [
        {'name': 'certificate', 'secret_ref': secret(t, 'www-cert', certificate, 'certificate')}, {'name': 'private_key', 'secret_ref': secret(t, 'www-key', key, 'private', algorithm='rsa', bit_length=2048)}]})
    t.ids['container-www'] = container['container_ref']
    password = secret(t, 'db-password', 'p\u00e4ssword'.encode(), 'passphrase', expiration='2035-01-01T00:00:00')
    api('PUT', '/secrets/%s/metadata' % password.split('/')[-1], {'metadata': {'owner': 'dba', 'rotation': 'yearly'}})
    api('PUT', '/secrets/%s/acl' % password.split('/')[-1], {'read': {'users': [t.ids['acme-user@']], 'project-access': False}})
    aes = secret(t, 'aes', bytes(range(32)), 'symmetric', algorithm='aes', bit_length=256, mode='cbc')
    secret(t, 'promised', None)
    api('POST', '/containers', {'type': 'generic', 'name': 'bundle', 'secret_refs': [{'name': 'aes', 'secret_ref': aes}, {'name': 'password', 'secret_ref': password}]})


# ---- Octavia ----
def ready(t, balancer):
    wait(lambda: t.cloud.balance('GET', '/loadbalancers/' + balancer)['loadbalancer'], 'ACTIVE', 'load balancer', field='provisioning_status')


def part(t, balancer, path, kind, **fields):
    row = t.cloud.balance('POST', '/' + path, {kind: fields})[kind]
    ready(t, balancer)
    return row['id']


def balancers(t):
    c, ids = t.cloud.balance, t.ids

    def make(name, **fields):
        row = c('POST', '/loadbalancers', {'loadbalancer': dict(fields, name=name)})['loadbalancer']
        ids['lb-' + name], ids['vip-' + name] = row['id'], row['vip_port_id']
        ready(t, row['id'])
        return row['id']
    www = make('www', description='www \u2013 HTTP', vip_subnet_id=ids['front-v4'], vip_address='10.10.1.5', tags=['www'])
    http = part(t, www, 'listeners', 'listener', loadbalancer_id=www, name='http', protocol='HTTP', protocol_port=80, connection_limit=500,
                insert_headers={'X-Forwarded-For': 'true'}, allowed_cidrs=['0.0.0.0/0'], tags=['public'])
    web = part(t, www, 'pools', 'pool', listener_id=http, name='web', protocol='HTTP', lb_algorithm='ROUND_ROBIN', session_persistence={'type': 'HTTP_COOKIE'})
    for name, address, weight in (('m0', '10.10.1.10', 1), ('m1', '10.10.1.11', 5)):
        part(t, www, 'pools/%s/members' % web, 'member', name=name, address=address, protocol_port=80, weight=weight, subnet_id=ids['front-v4'])
    part(t, www, 'healthmonitors', 'healthmonitor', pool_id=web, name='web-health', type='HTTP', delay=5, timeout=3, max_retries=3, url_path='/health', expected_codes='200-204')
    api = part(t, www, 'pools', 'pool', loadbalancer_id=www, name='api', protocol='HTTP', lb_algorithm='LEAST_CONNECTIONS')
    policy = part(t, www, 'l7policies', 'l7policy', listener_id=http, name='to-api', action='REDIRECT_TO_POOL', redirect_pool_id=api, position=1)
    part(t, www, 'l7policies/%s/rules' % policy, 'rule', type='PATH', compare_type='STARTS_WITH', value='/api')
    part(t, www, 'l7policies/%s/rules' % policy, 'rule', type='HEADER', key='X-Old', compare_type='EQUAL_TO', value='yes', invert=True)
    part(t, www, 'l7policies', 'l7policy', listener_id=http, name='to-new', action='REDIRECT_TO_URL', redirect_url='https://www.acme.example/', redirect_http_code=301, position=2, admin_state_up=False)
    if t.cloud.has('keys'):
        part(t, www, 'listeners', 'listener', loadbalancer_id=www, name='https', protocol='TERMINATED_HTTPS', protocol_port=443, default_pool_id=web, default_tls_container_ref=ids['secret-www-p12'],
             sni_container_refs=[ids['container-www']], tls_versions=['TLSv1.2', 'TLSv1.3'])
    tcp = make('tcp', provider='ovn', vip_subnet_id=ids['front-v4'], vip_address='10.10.1.6', admin_state_up=True)
    listener = part(t, tcp, 'listeners', 'listener', loadbalancer_id=tcp, name='tcp80', protocol='TCP', protocol_port=80)
    pool = part(t, tcp, 'pools', 'pool', listener_id=listener, name='ovn', protocol='TCP', lb_algorithm='SOURCE_IP_PORT')
    part(t, tcp, 'pools/%s/members' % pool, 'member', address='10.10.1.10', protocol_port=80, subnet_id=ids['front-v4'])
    t.cloud.network('POST', '/floatingips', {'floatingip': {'floating_network_id': ids['public'], 'port_id': ids['vip-www'], 'description': 'of the load balancer'}})


# ---- Designate ----
def zones(t):
    if not t.cloud.has('dns'):
        return
    api, name = t.cloud.dns, t.prefix + '-acme.example.'
    for zone, fields in ((name, {'description': 'Acme \u2013 public', 'ttl': 7200}), ('staging.' + name, {})):
        made = api('POST', '/zones', dict(fields, name=zone, email='hostmaster@acme.example', type='PRIMARY'))['id']
        wait(lambda: api('GET', '/zones/' + made), 'ACTIVE', 'zone ' + zone)
        t.ids['zone-' + zone] = made
    for record, kind, values, fields in (
            ('www.', 'A', ['172.24.4.10', '172.24.4.11'], {'ttl': 60, 'description': 'the load balancer'}), ('www.', 'AAAA', ['fd00:acae:1::5'], {}), ('api.', 'CNAME', ['www.' + name], {}),
            ('', 'MX', ['10 mail.' + name, '20 mail2.' + name], {}), ('', 'TXT', ['"v=spf1 -all"'], {}), ('_sip._tcp.', 'SRV', ['0 5 5060 sip.' + name], {}), ('*.', 'A', ['172.24.4.12'], {})):
        api('POST', '/zones/%s/recordsets' % t.ids['zone-' + name], dict(fields, name=record + name, type=kind, records=values))
    wait(lambda: api('GET', '/zones/' + t.ids['zone-' + name]), 'ACTIVE', 'zone ' + name)


# ---- Nova ----
def active(t, server, status='ACTIVE'):
    return wait(lambda: t.cloud.compute('GET', '/servers/' + server)['server'], status, 'server ' + server, 420)


def servers(t):
    c, ids = t.cloud.compute, t.ids
    flavors = {f['name']: f['id'] for f in c('GET', '/flavors')['flavors']}
    key = '/run/lab/%s-key' % t.prefix
    if not os.path.exists(key):
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'acme', '-f', key], check=True)
    for cloud, name in ((t.cloud, 'acme-key'), (t.user, 'user-key')):
        ignore_missing(lambda: cloud.compute('DELETE', '/os-keypairs/' + name))
        cloud.compute('POST', '/os-keypairs', {'keypair': {'name': name, 'public_key': open(key + '.pub').read(), 'type': 'ssh'}})
    group = c('POST', '/os-server-groups', {'server_group': {'name': 'spread', 'policy': 'soft-anti-affinity'}})['server_group']['id']
    c('POST', '/os-server-groups', {'server_group': {'name': 'apart', 'policy': 'anti-affinity', 'rules': {'max_server_per_host': 3}}})
    data = base64.b64encode(b'#cloud-config\nhostname: web-1\n').decode()
    web = c('POST', '/servers', {'server': {
        'name': 'web-1', 'imageRef': ids['image-linux'], 'flavorRef': flavors['lab.nano'], 'key_name': 'acme-key', 'networks': [{'port': ids['p-web'], 'tag': 'front'}],
        'metadata': {'role': 'web', 'owner': 'acme \u2713'}, 'description': 'web server \u2013 first', 'user_data': data, 'tags': ['web', 'prod'], 'config_drive': True},
        'os:scheduler_hints': {'group': group}})['server']['id']

    def disk(volume, index, **fields):
        return dict(fields, boot_index=index, uuid=ids['volume-' + volume], source_type='volume', destination_type='volume')
    db = c('POST', '/servers', {'server': {
        'name': 'db-1', 'flavorRef': flavors['lab.zero'], 'key_name': 'acme-key', 'networks': [{'port': ids['p-db']}, {'uuid': ids['back']}], 'metadata': {'role': 'db'},
        'block_device_mapping_v2': [disk('db-root', 0, delete_on_termination=False), disk('db-data', -1, delete_on_termination=True, tag='data', device_name='/dev/vdb')]}})['server']['id']
    active(t, web)
    worker = c('POST', '/servers', {'server': {'name': 'worker-1', 'imageRef': ids['image-linux'], 'flavorRef': flavors['lab.nano'], 'networks': [{'uuid': ids['front']}],
                                               'security_groups': [{'name': 'default'}], 'user_data': data, 'hostname': 'worker-one'}})['server']['id']
    c('POST', '/servers/%s/os-volume_attachments' % web, {'volumeAttachment': {'volumeId': ids['volume-data'], 'tag': 'extra', 'delete_on_termination': False}})
    active(t, db)
    c('POST', '/servers/%s/os-volume_attachments' % db, {'volumeAttachment': {'volumeId': ids['volume-shared']}})
    active(t, worker)
    c('POST', '/servers/%s/action' % worker, {'os-stop': None})
    for name in ('data', 'shared'):
        wait(lambda: t.cloud.volume('GET', '/volumes/' + ids['volume-' + name])['volume'], 'in-use', 'volume ' + name)
    active(t, worker, 'SHUTOFF')
    c('POST', '/servers/%s/action' % web, {'lock': {'locked_reason': 'do not touch'}})
    # What a guest writes is not known beforehand.
    for name in ('db-root', 'db-data'):
        t.data['cinder.volume'].pop(ids['volume-' + name], None)
