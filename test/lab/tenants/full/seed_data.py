"""What of the full tenant holds bytes: images, volumes, volume snapshots and groups, containers and objects."""
import binascii, gzip, hashlib, json, subprocess, tempfile, time

import rados
import rbd

from cloud import wait
from resources import quoted
from tenant import GIB, MIB, pattern

JSON_PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ---- images ----
def image(t, name, data, disk_format, **fields):
    made = t.cloud.image('POST', '/images', dict({'name': name, 'disk_format': disk_format, 'container_format': 'bare'}, **fields))['id']
    t.ids['image-' + name] = made
    if data is not None:
        t.cloud.image.raw('PUT', '/images/%s/file' % made, data=data, headers={'Content-Type': 'application/octet-stream'})
        t.data['glance.image'][made] = {'name': name, 'sha256': sha256(data), 'bytes': len(data)}
    return made


def images(t):
    guest = open('/opt/lab/images/lab-guest.raw', 'rb').read()
    linux = image(t, 'linux', guest, 'raw', min_disk=1, min_ram=64, tags=['linux', 'golden'], os_distro='debian', os_version='13', architecture='x86_64',
                  hw_disk_bus='virtio', hw_vif_model='virtio', acme_build='2024-11-\u03b2')
    with tempfile.TemporaryDirectory() as folder:
        open(folder + '/raw', 'wb').write(pattern('data-image', 16 * MIB))
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', folder + '/raw', folder + '/qcow2'], check=True)
        shared = image(t, 'data', open(folder + '/qcow2', 'rb').read(), 'qcow2', tags=['data'], visibility='shared', description='qcow2 with structured data', os_hidden=True)
    kernel = image(t, 'kernel', pattern('kernel', MIB), 'aki', container_format='aki')
    ramdisk = image(t, 'ramdisk', pattern('ramdisk', MIB), 'ari', container_format='ari')
    image(t, 'three-part', pattern('three-part', 2 * MIB), 'ami', container_format='ami', kernel_id=kernel, ramdisk_id=ramdisk)
    image(t, 'queued', None, 'raw')
    t.cloud.image('POST', '/images/%s/members' % shared, {'member': t.ids['globex']})
    t.connect('globex').image('PUT', '/images/%s/members/%s' % (shared, t.ids['globex']), {'status': 'accepted'})
    t.cloud.image.raw('PATCH', '/images/' + linux, json=[{'op': 'replace', 'path': '/protected', 'value': True}], headers=JSON_PATCH)


# ---- volumes ----
def available(t, volume):
    return wait(lambda: t.cloud.volume('GET', '/volumes/' + volume)['volume'], 'available', 'volume ' + volume)


def write(t, volume, name, size, writes, base=b''):
    """Writes through librbd, as no guest does it; notes what the volume ought to hold. `base`: the image it was made of."""
    with rados.Rados(conffile='/etc/ceph/ceph.conf') as cluster, cluster.open_ioctx('volumes') as pool, rbd.Image(pool, 'volume-' + volume) as disk:
        for offset, data in writes:
            for at in range(0, len(data), 4 * MIB):
                if data[at:at + 4 * MIB].strip(b'\0'):
                    disk.write(data[at:at + 4 * MIB], offset + at)
        disk.flush()
    digest, position = hashlib.sha256(), 0
    for offset, data in sorted([(0, base)] + list(writes)):
        while position < offset:
            digest.update(bytes(min(16 * MIB, offset - position)))
            position += min(16 * MIB, offset - position)
        digest.update(data)
        position += len(data)
    while position < size:
        digest.update(bytes(min(16 * MIB, size - position)))
        position += min(16 * MIB, size - position)
    t.data['cinder.volume'][volume] = {'name': name, 'sha256': digest.hexdigest(), 'bytes': size}


def volume(t, name, gib=1, **fields):
    made = t.cloud.volume('POST', '/volumes', {'volume': dict({'name': name, 'size': gib, 'volume_type': 'standard'}, **fields)})['volume']['id']
    t.ids['volume-' + name] = made
    return made


def volumes(t):
    c = t.cloud
    plain = {'data': {'description': 'application data', 'metadata': {'app': 'crm', 'env': 'prod', 'note': 'valeur \u00e9t\u00e9'}},
             'fast': {'gib': 1 if t.small else 2, 'volume_type': 'fast', 'metadata': {'tier': 'fast'}}, 'shared': {'volume_type': 'multiattach'}, 'db-data': {'metadata': {'role': 'data'}}}
    made = {name: volume(t, name, **fields) for name, fields in plain.items()}
    roots = {name: volume(t, name, imageRef=t.ids['image-linux'], metadata={'role': 'root'}) for name in ('boot', 'db-root')}
    for name, one in made.items():
        size = available(t, one)['size'] * GIB
        write(t, one, name, size, [(0, pattern('volume-' + name, 8 * MIB)), (size - MIB, pattern('tail-' + name, MIB))])
    for name, one in roots.items():
        available(t, one)
    write(t, roots['boot'], 'boot', GIB, [(512 * MIB, pattern('boot', 4 * MIB))], open('/opt/lab/images/lab-guest.raw', 'rb').read())
    c.volume('POST', '/volumes/%s/action' % made['fast'], {'os-update_readonly_flag': {'readonly': True}})
    c.volume('POST', '/volumes/%s/action' % made['db-data'], {'os-set_bootable': {'bootable': True}})
    c.volume('POST', '/volumes/%s/action' % roots['boot'], {'os-set_image_metadata': {'metadata': {'lab_note': 'changed after it was made'}}})


def snapshots(t):
    c, data = t.cloud, t.ids['volume-data']
    before = dict(t.data['cinder.volume'][data])
    snapshot = c.volume('POST', '/snapshots', {'snapshot': {'volume_id': data, 'name': 'before-upgrade', 'description': 'before upgrade', 'metadata': {'reason': 'upgrade'}}})['snapshot']['id']
    wait(lambda: c.volume('GET', '/snapshots/' + snapshot)['snapshot'], 'available', 'volume snapshot')
    if not t.small:
        of_snapshot(t, snapshot, before)
    # The volume goes on after its snapshot was taken.
    write(t, data, 'data', GIB, [(0, pattern('volume-data', 8 * MIB)), (512 * MIB, pattern('late', 2 * MIB)), (GIB - MIB, pattern('tail-data', MIB))])


def of_snapshot(t, snapshot, before):
    clone = volume(t, 'of-snapshot', snapshot_id=snapshot)
    available(t, clone)
    t.data['cinder.volume'][clone] = dict(before, name='of-snapshot')


def groups(t):
    admin, c = t.admin.volume, t.cloud.volume
    kinds = {g['name']: g['id'] for g in admin('GET', '/group_types')['group_types']}
    if 'lab-group' not in kinds:
        kinds['lab-group'] = admin('POST', '/group_types', {'group_type': {'name': 'lab-group', 'description': 'generic group', 'is_public': True}})['group_type']['id']
    standard = next(v['id'] for v in c('GET', '/types')['volume_types'] if v['name'] == 'standard')
    group = c('POST', '/groups', {'group': {'name': 'group', 'description': 'crash consistent set', 'group_type': kinds['lab-group'], 'volume_types': [standard]}})['group']['id']
    wait(lambda: c('GET', '/groups/' + group)['group'], 'available', 'volume group')
    for name in ('group-a',) if t.small else ('group-a', 'group-b'):
        one = volume(t, name, group_id=group)
        available(t, one)
        write(t, one, name, GIB, [(0, pattern(name, 4 * MIB))])
    taken = c('POST', '/group_snapshots', {'group_snapshot': {'group_id': group, 'name': 'group-snapshot'}})['group_snapshot']['id']
    wait(lambda: c('GET', '/group_snapshots/' + taken)['group_snapshot'], 'available', 'group snapshot')


def encrypted(t):
    """A LUKS volume, written through QEMU with the key Barbican holds. Its bytes are the ciphertext: verified against nothing but themselves."""
    if not t.cloud.has('keys') or not any(v['name'] == 'luks' for v in t.cloud.volume('GET', '/types')['volume_types']):
        return
    one = volume(t, 'secret', volume_type='luks', metadata={'class': 'confidential'})
    available(t, one)
    key = t.cloud.volume('GET', '/volumes/%s/encryption' % one)['encryption_key_id']
    passphrase = binascii.hexlify(t.cloud.keys.raw('GET', '/secrets/%s/payload' % key, headers={'Accept': 'application/octet-stream'}).content)
    with tempfile.NamedTemporaryFile() as file:
        file.write(passphrase)
        file.flush()
        target = 'driver=luks,key-secret=key,file.driver=rbd,file.pool=volumes,file.image=volume-%s,file.conf=/etc/ceph/ceph.conf' % one
        subprocess.run(['qemu-io', '--object', 'secret,id=key,file=' + file.name, '--image-opts', target, '-c', 'write -P 0x5a 0 4M', '-c', 'write -P 0xa5 900M 1M'],
                       check=True, stdout=subprocess.DEVNULL)


# ---- objects ----
def objects(t):
    api = t.cloud.object

    def make(path, **headers):
        api.raw('PUT' if path else 'POST', quoted(path) if path else '', headers={k.replace('_', '-'): v.encode().decode('latin-1') for k, v in headers.items()})

    def put(container, name, data, query='', note=True, **headers):
        answer = api.raw('PUT', quoted(container, name) + query, data=data, headers={k.replace('_', '-'): v.encode().decode('latin-1') for k, v in headers.items()})
        if note:
            t.data['swift.object'][container + '/' + name] = {'sha256': sha256(data), 'bytes': len(data)}
        return answer
    make('', X_Account_Meta_Company='Acme', X_Account_Meta_Temp_URL_Key='acme-temp-key')
    make('documents', X_Container_Meta_Owner='legal', X_Container_Read='.r:*,.rlistings', X_Container_Meta_Web_Index='index.html')
    make('private', X_Container_Read='%s:*,%s:%s' % (t.ids['globex'], t.ids['acme'], t.ids['acme-user@']), X_Container_Write='%s:%s' % (t.ids['acme'], t.ids['acme-user@']), X_Storage_Policy='silver')
    make('old-versions')
    make('versioned', X_Versions_Enabled='true')
    make('versioned-legacy', X_Versions_Location='old-versions')
    make('d\u00e9p\u00f4t \u65e5\u672c', X_Container_Meta_Quota_Bytes='1000000000', X_Container_Meta_Quota_Count='1000')
    for name in ('large_segments', 'large', 'empty'):
        make(name)
    put('documents', 'index.html', b'<h1>Acme</h1>\n', Content_Type='text/html', X_Object_Meta_Author='J\u00fcrgen')
    put('documents', 'reports/q1.txt', b'q1 report\n' * 1000, Content_Type='text/plain', X_Object_Meta_Quarter='1', Cache_Control='max-age=60')
    put('documents', 'reports/q2.txt.gz', gzip.compress(b'q2 report\n' * 1000, mtime=0), Content_Type='text/plain', Content_Encoding='gzip', Content_Disposition='attachment; filename="q2.txt"')
    put('documents', 'reports/', b'', Content_Type='application/directory')
    put('documents', 'name with spaces & ?#%.txt', b'odd name\n')
    put('documents', '\u00fcn\u00efc\u00f6de/\u65e5\u672c\u8a9e/\U0001f600.txt', 'sm\u00f6rg\u00e5sbord\n'.encode())
    put('d\u00e9p\u00f4t \u65e5\u672c', 'fichier.bin', pattern('fichier', 3 * MIB))
    for k in range(12):
        put('private', 'bulk/%03d.dat' % k, ('object %d\n' % k).encode() * (k + 1))
    put('private', 'expires.txt', b'gone in a month\n', X_Delete_At=str(int(time.time()) + 30 * 86400))
    for container in ('versioned', 'versioned-legacy'):
        for k in range(3):
            put(container, 'notes.txt', b'version %d\n' % k, note=container != 'versioned')
    put('versioned', 'deleted.txt', b'deleted, and still there\n', note=False)
    api.raw('DELETE', quoted('versioned', 'deleted.txt'))
    rows, whole = [], hashlib.sha256()
    for k in range(3):
        data = pattern('slo-%d' % k, 2 * MIB)
        whole.update(data)
        rows.append({'path': '/large_segments/slo/part-%04d' % k, 'etag': put('large_segments', 'slo/part-%04d' % k, data).headers['Etag'].strip('"'), 'size_bytes': len(data)})
        put('large_segments', 'dlo/part-%04d' % k, pattern('dlo-%d' % k, MIB))
    put('large', 'static.bin', json.dumps(rows).encode(), '?multipart-manifest=put', note=False, X_Object_Meta_Kind='slo', Content_Type='application/x-lab')
    put('large', 'dynamic.bin', b'', note=False, X_Object_Manifest='large_segments/dlo/part-')
    dynamic = b''.join(pattern('dlo-%d' % k, MIB) for k in range(3))
    t.data['swift.object'].update({'large/static.bin': {'sha256': whole.hexdigest(), 'bytes': 6 * MIB}, 'large/dynamic.bin': {'sha256': sha256(dynamic), 'bytes': len(dynamic)}})
    put('documents', 'link-to-q1', b'', note=False, X_Symlink_Target='documents/reports/q1.txt')
    t.data['swift.object']['documents/link-to-q1'] = t.data['swift.object']['documents/reports/q1.txt']


STEPS = (images, volumes, snapshots, groups, encrypted)
