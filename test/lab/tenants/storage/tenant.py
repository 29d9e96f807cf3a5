"""Make or change the storage tenant described by tenant.json.

Runs inside the lab's container: python3 - seed|change PREFIX. Volumes get their bytes through librbd,
because no server is started; everything else goes through the public APIs as the tenant's own user.
Leaves /run/lab/tenants/PREFIX/clouds.yaml and manifest.json (ids, names, sizes, SHA-256 of all bytes).
`seed` empties both projects first, so that it always ends in the same state.
"""
import base64, hashlib, json, os, subprocess, sys, tempfile, time, urllib.parse

import openstack
import rados
import rbd
import yaml

COMMAND, PREFIX = sys.argv[1], sys.argv[2]
FOLDER = '/run/lab/tenants/' + PREFIX
SPEC = json.load(open('/run/lab/tenants/tenant.json', encoding='utf-8'))
ADMIN = yaml.safe_load(open('/run/lab/clouds.yaml'))['clouds']['lab-admin']
GIB = 1 << 30
STARTED = time.time()
NAMES = {'source': PREFIX + '-acme', 'target': PREFIX + '-target'}
PARTNER = PREFIX + '-partner'   # a project images are shared with; it has no user
CLOUDS = {}
for role_name in NAMES.values():
    CLOUDS[role_name] = dict(ADMIN, auth=dict(ADMIN['auth'], username=role_name, password=role_name + '-pw', project_name=role_name))


def say(text):
    print("  +%5.1f s  %s" % (time.time() - STARTED, text), file=sys.stderr, flush=True)


def part_bytes(part, label):
    if 'base64' in part:
        return base64.b64decode(part['base64'])
    size, kind, label = part['bytes'], part['kind'], part.get('label', label)
    if kind == 'random':
        return hashlib.shake_128(label.encode()).digest(size)
    if kind == 'zero':
        return bytes(size)
    line = (label + ': the quick brown fox jumps over the lazy dog\n').encode()
    return (line * (size // len(line) + 1))[:size]


def content(parts, owner):
    return b''.join(part_bytes(part, '%s/%d' % (owner, i)) for i, part in enumerate(parts))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wait(get, wanted, what, seconds=180):
    for _ in range(seconds * 2):
        thing = get()
        if thing is None and wanted is None:
            return None
        if thing is not None and thing.status == wanted:
            return thing
        if thing is not None and thing.status in ('error', 'killed', 'error_deleting'):
            raise SystemExit('%s went to %s' % (what, thing.status))
        time.sleep(.5)
    raise SystemExit('%s: still %s after %d s' % (what, thing and thing.status, seconds))


def connect(project):
    return openstack.connect(load_yaml_config=False, load_envvars=False, **CLOUDS[project])


# ---- object store: raw requests, because every header matters ----
def swift(cloud, method, path, data=b'', query='', headers=None):
    url = cloud.object_store.get_endpoint() + urllib.parse.quote(path) + query
    headers = {k: v.encode().decode('latin-1') for k, v in (headers or {}).items()}
    answer = cloud.session.request(url, method, data=data, headers=headers, raise_exc=False)
    if answer.status_code >= 300:
        raise SystemExit('%s %s: %s %s' % (method, path, answer.status_code, answer.text[:200]))
    return answer


def names_of(cloud, path):
    names, marker = [], ''
    while True:
        page = swift(cloud, 'GET', path, query='?format=json&limit=1000&marker=' + urllib.parse.quote(marker)).json()
        if not page:
            return names
        names += [row['name'] for row in page if 'name' in row]
        marker = names[-1]


def expand(spec):
    for n in range(spec.get('series', 1)):
        yield dict(spec, name=spec['name'].replace('{n}', '%04d' % n))


def put_object(cloud, spec, manifest):
    path, headers = '/%s/%s' % (spec['container'], spec['name']), dict(spec['headers'])
    entry = {'container': spec['container'], 'name': spec['name'], 'kind': 'plain'}
    if 'expiresInSeconds' in spec:
        headers['X-Delete-At'] = str(int(time.time()) + spec['expiresInSeconds'])
    if 'slo' in spec or 'dlo' in spec:
        entry['kind'] = 'slo' if 'slo' in spec else 'dlo'
        place = spec[entry['kind']]
        parts = [o for o in manifest['objects'] if o['container'] == place['container'] and o['name'].startswith(place['prefix'])]
        data = b''.join(swift(cloud, 'GET', '/%s/%s' % (p['container'], p['name'])).content for p in parts)
        if entry['kind'] == 'slo':
            rows = [{'path': '/%s/%s' % (p['container'], p['name']), 'etag': p['md5'], 'size_bytes': p['bytes']} for p in parts]
            swift(cloud, 'PUT', path, json.dumps(rows), '?multipart-manifest=put', headers)
        else:
            swift(cloud, 'PUT', path, b'', '', dict(headers, **{'X-Object-Manifest': urllib.parse.quote(place['container'] + '/' + place['prefix'])}))
    else:
        data = content(spec['content'], spec['container'] + '/' + spec['name'])
        swift(cloud, 'PUT', path, data, '', headers)
        entry['md5'] = hashlib.md5(data).hexdigest()
    entry.update(sha256=sha256(data), bytes=len(data))
    key = (entry['container'], entry['name'])
    manifest['objects'] = [o for o in manifest['objects'] if (o['container'], o['name']) != key] + [entry]


# ---- images and volumes ----
def put_image(cloud, spec, manifest):
    raw = content(spec['content'], spec['name'])
    with tempfile.TemporaryDirectory() as folder:
        path = folder + '/disk'
        open(path, 'wb').write(raw)
        if spec['diskFormat'] != 'raw':
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', spec['diskFormat'], path, path + '.out'], check=True)
            path += '.out'
        stored = open(path, 'rb').read()
        made = cloud.create_image(spec['name'], filename=path, disk_format=spec['diskFormat'], container_format='bare', wait=True,
                                  validate_checksum=False, use_import=False, tags=spec['tags'], visibility=spec['visibility'],
                                  min_disk=spec['minDisk'], min_ram=spec['minRam'], **spec['properties'])
    for member in spec.get('members', []):
        cloud.image.add_member(made, member_id=manifest['projects'][member]['id'])
    if spec['protected']:
        cloud.image.update_image(made, is_protected=True)
    manifest['images'].append({'id': made.id, 'name': spec['name'], 'sha256': sha256(stored), 'bytes': len(stored),
                               'contentSha256': sha256(raw), 'contentBytes': len(raw)})


def rbd_write(volume_id, offset, data):
    with rados.Rados(conffile='/etc/ceph/ceph.conf') as cluster, cluster.open_ioctx('volumes') as pool, rbd.Image(pool, 'volume-' + volume_id) as disk:
        for at in range(0, len(data), 4 << 20):
            disk.write(data[at:at + (4 << 20)], offset + at)
        disk.flush()


def volume_sha256(volume_id):
    """Of all bytes, read back through librbd: what the volume holds, whatever wrote it."""
    digest = hashlib.sha256()
    with rados.Rados(conffile='/etc/ceph/ceph.conf') as cluster, cluster.open_ioctx('volumes') as pool, rbd.Image(pool, 'volume-' + volume_id, read_only=True) as disk:
        for at in range(0, disk.size(), 16 << 20):
            digest.update(disk.read(at, 16 << 20))
    return digest.hexdigest()


def expected_sha256(size, base, writes):
    """Of the bytes the volume ought to hold: the image it came from, zeros, and the writes in order."""
    disk = bytearray(size)
    disk[:len(base)] = base
    for offset, data in writes:
        disk[offset:offset + len(data)] = data
    return sha256(disk)


def writes_of(spec, owner, size):
    return [(w['offset'] % size, content(w['content'], '%s/%d' % (owner, w['offset']))) for w in spec['writes']]


def seal_volume(entry, spec, writes):
    base = b''
    if spec.get('image'):
        image = next(i for i in SPEC['images'] if i['name'] == spec['image'])
        base = content(image['content'], image['name'])
    entry['sha256'] = expected_sha256(spec['sizeGib'] * GIB, base, writes)
    found = volume_sha256(entry['id'])
    if found != entry['sha256']:
        raise SystemExit('volume %s holds %s, not %s' % (entry['name'], found, entry['sha256']))


def put_volumes(cloud, specs, manifest):
    images = {i['name']: i['id'] for i in manifest['images']}
    made = [(spec, cloud.block_storage.create_volume(
        name=spec['name'], description=spec['description'], size=spec['sizeGib'], volume_type=spec['type'], metadata=spec['metadata'],
        **({'image_id': images[spec['image']]} if 'image' in spec else {}))) for spec in specs]
    for spec, volume in made:
        wait(lambda: cloud.block_storage.get_volume(volume.id), 'available', 'volume ' + spec['name'])
        writes = writes_of(spec, spec['name'], spec['sizeGib'] * GIB)
        for offset, data in writes:
            rbd_write(volume.id, offset, data)
        entry = {'id': volume.id, 'name': spec['name'], 'bytes': spec['sizeGib'] * GIB}
        seal_volume(entry, spec, writes)
        manifest['volumes'].append(entry)


# ---- the two projects ----
def make_projects(manifest):
    admin = openstack.connect(load_yaml_config=False, load_envvars=False, **ADMIN).identity
    roles = {r.name: r for r in admin.roles()}
    for side, name in NAMES.items():
        project = admin.find_project(name) or admin.create_project(name=name, domain_id='default', description='storage tenant, ' + side)
        user = admin.find_user(name) or admin.create_user(name=name, domain_id='default', password=name + '-pw', default_project_id=project.id)
        if 'swiftoperator' not in roles:
            roles['swiftoperator'] = admin.create_role(name='swiftoperator')
        for role in ('member', 'swiftoperator'):
            admin.assign_project_role_to_user(project.id, user.id, roles[role].id)
        manifest['projects'][side] = {'id': project.id, 'name': name}
    partner = admin.find_project(PARTNER) or admin.create_project(name=PARTNER, domain_id='default', description='storage tenant, a partner')
    manifest['projects']['partner'] = {'id': partner.id, 'name': PARTNER}
    yaml.safe_dump({'clouds': CLOUDS}, open(FOLDER + '/clouds.yaml', 'w'))


def empty(cloud):
    block = cloud.block_storage
    for volume in block.volumes():     # a volume made of a volume snapshot goes before the volume snapshot
        if volume.snapshot_id:
            block.delete_volume(volume)
            wait(lambda: block.find_volume(volume.id), None, 'volume %s' % volume.name)
    for snapshot in block.snapshots():
        block.delete_snapshot(snapshot)
    for snapshot in list(block.snapshots()):
        wait(lambda: block.find_snapshot(snapshot.id), None, 'volume snapshot %s' % snapshot.name)
    for volume in block.volumes():
        block.delete_volume(volume)
    for volume in list(block.volumes()):
        wait(lambda: block.find_volume(volume.id), None, 'volume %s' % volume.name)
    for image in list(cloud.image.images(owner=cloud.current_project_id)):
        if image.owner == cloud.current_project_id:
            if image.is_protected:
                cloud.image.update_image(image, is_protected=False)
            cloud.image.delete_image(image)
    for container in names_of(cloud, ''):
        for name in names_of(cloud, '/' + container):
            swift(cloud, 'DELETE', '/%s/%s' % (container, name))
        swift(cloud, 'DELETE', '/' + container)


def seed():
    manifest = {'version': 1, 'prefix': PREFIX, 'revision': 1, 'projects': {}, 'images': [], 'volumes': [], 'objects': []}
    make_projects(manifest)
    for name in NAMES.values():
        empty(connect(name))
    say('projects %s, empty' % ', '.join(NAMES.values()))
    cloud = connect(NAMES['source'])
    for spec in SPEC['images']:
        put_image(cloud, spec, manifest)
    say('%d images' % len(manifest['images']))
    put_volumes(cloud, SPEC['volumes'], manifest)
    say('%d volumes' % len(manifest['volumes']))
    for spec in SPEC['containers']:
        swift(cloud, 'PUT', '/' + spec['name'], headers={k: v.replace('{project}', cloud.current_project_id) for k, v in spec['headers'].items()})
    for group in SPEC['objects']:
        for spec in expand(group):
            put_object(cloud, spec, manifest)
    say('%d objects in %d containers' % (len(manifest['objects']), len(SPEC['containers'])))
    return manifest


def change():
    manifest = json.load(open(FOLDER + '/manifest.json', encoding='utf-8'))
    if manifest['revision'] > 1:
        say('changed already')
        return manifest
    cloud = connect(NAMES['source'])
    for spec in SPEC['change']['volumes']:
        entry = next(v for v in manifest['volumes'] if v['name'] == spec['name'])
        base = next(v for v in SPEC['volumes'] if v['name'] == spec['name'])
        writes = writes_of(spec, spec['name'], base['sizeGib'] * GIB)
        for offset, data in writes:
            rbd_write(entry['id'], offset, data)
        seal_volume(entry, base, writes_of(base, base['name'], base['sizeGib'] * GIB) + writes)
    for spec in SPEC['change']['images']:
        put_image(cloud, spec, manifest)
    for gone in SPEC['change']['deletedObjects']:
        swift(cloud, 'DELETE', '/%s/%s' % (gone['container'], gone['name']))
        manifest['objects'] = [o for o in manifest['objects'] if (o['container'], o['name']) != (gone['container'], gone['name'])]
    for spec in SPEC['change']['objects']:
        put_object(cloud, spec, manifest)
    manifest['revision'] = 2
    say('changed %d volume, %d objects; new: %d image; deleted: %d objects' % tuple(
        len(SPEC['change'][k]) for k in ('volumes', 'objects', 'images', 'deletedObjects')))
    return manifest


result = {'seed': seed, 'change': change}[COMMAND]()
with open(FOLDER + '/manifest.json.new', 'w', encoding='utf-8') as file:
    json.dump(result, file, indent=1, ensure_ascii=False)
os.rename(FOLDER + '/manifest.json.new', FOLDER + '/manifest.json')
