"""List and hash everything of one project through the public APIs: a client that is not ours.

Runs on the host's network (lab inventory CLOUD [--fields]). Prints one JSON object: projectId, images, volumes,
containers, objects (each with its fields and the SHA-256 of its bytes), and `others`: every volume
snapshot, volume backup and pending image, none of which a finished backup or restore may leave. A
volume is read through an image of it, which is removed again. With --fields no data is read.
"""
import hashlib, json, sys, time, urllib.parse

import openstack

CLOUD = openstack.connect()
PROJECT = CLOUD.current_project_id
SESSION = CLOUD.session
GLANCE = CLOUD.image.get_endpoint().rstrip('/').removesuffix('/v2') + '/v2'
SWIFT = CLOUD.object_store.get_endpoint()
READ_BACK = 'inventory-read-back'
FIELDS_ONLY = '--fields' in sys.argv[1:]
# Fields every image has; the others are properties.
IMAGE_FIELDS = {'id', 'name', 'status', 'visibility', 'protected', 'os_hidden', 'owner', 'checksum', 'os_hash_algo', 'os_hash_value', 'size',
                'virtual_size', 'min_disk', 'min_ram', 'disk_format', 'container_format', 'created_at', 'updated_at', 'tags', 'self', 'file',
                'schema', 'direct_url', 'locations', 'stores'}


def get(url, **options):
    answer = SESSION.get(url, raise_exc=False, **options)
    if answer.status_code >= 300:
        sys.exit('GET %s: %s %s' % (url, answer.status_code, answer.text[:200]))
    return answer


def hash_of(url):
    """SHA-256 and length of the body as sent: a Content-Encoding is not undone."""
    digest, size = hashlib.sha256(), 0
    body = get(url, stream=True).raw
    while chunk := body.read(1 << 20, decode_content=False):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def pages(url, key):
    while url:
        page = get(url).json()
        yield from page[key]
        following = page.get('next')
        url = urllib.parse.urljoin(GLANCE + '/', following) if following else None


def image_row(image):
    row = {'id': image['id'], 'name': image['name'], 'status': image['status'], 'diskFormat': image['disk_format'],
           'containerFormat': image['container_format'], 'minDisk': image['min_disk'], 'minRam': image['min_ram'],
           'visibility': image['visibility'], 'protected': image['protected'], 'hidden': image['os_hidden'], 'tags': sorted(image['tags']),
           'properties': {k: v for k, v in sorted(image.items()) if k not in IMAGE_FIELDS}, 'members': []}
    if image['visibility'] == 'shared':
        row['members'] = sorted(m['member_id'] for m in get(GLANCE + '/images/%s/members' % image['id']).json()['members'])
    if image['status'] == 'active' and not FIELDS_ONLY:
        row['sha256'], row['bytes'] = hash_of(GLANCE + '/images/%s/file' % image['id'])
    return row


def read_volume(volume):
    CLOUD.block_storage.upload_volume_to_image(volume.id, READ_BACK, disk_format='raw', container_format='bare', force=volume.status == 'in-use')
    image = None
    try:
        for _ in range(600):
            image = next((i for i in pages(GLANCE + '/images?name=' + READ_BACK, 'images') if i['owner'] == PROJECT), None)
            if image and image['status'] == 'active':
                return hash_of(GLANCE + '/images/%s/file' % image['id'])
            if image and image['status'] in ('killed', 'deleted'):
                break
            time.sleep(.5)
        sys.exit('volume %s does not become an image: %s' % (volume.name, image and image['status']))
    finally:
        if image:
            SESSION.delete(GLANCE + '/images/' + image['id'])
        for _ in range(120):
            if CLOUD.block_storage.get_volume(volume.id).status != 'uploading':
                break
            time.sleep(.5)


def volume_row(volume):
    image_metadata = dict(volume.volume_image_metadata or {})
    row = {'id': volume.id, 'name': volume.name, 'description': volume.description, 'sizeGib': volume.size, 'status': volume.status,
           'type': volume.volume_type, 'zone': volume.availability_zone, 'bootable': volume.is_bootable, 'metadata': dict(volume.metadata or {}),
           'imageMetadata': dict(sorted(image_metadata.items()))}
    if not FIELDS_ONLY:
        row['sha256'], row['bytes'] = read_volume(volume)
    return row


def swift_url(*parts):
    return SWIFT + ''.join('/' + urllib.parse.quote(part, safe='') for part in parts)


def text(value):
    return value.encode('latin-1').decode('utf-8') if value is not None else None


def headers_of(url, keep):
    answer = SESSION.head(url, raise_exc=False)
    if answer.status_code >= 300:
        sys.exit('HEAD %s: %s' % (url, answer.status_code))
    return {k.lower(): text(v) for k, v in sorted(answer.headers.items()) if keep(k.lower())}


def listing(*parts):
    marker = ''
    while True:
        page = get(swift_url(*parts) + '?format=json&limit=1000&marker=' + urllib.parse.quote(marker, safe='')).json()
        if not page:
            return
        yield from page
        marker = page[-1]['name']


def object_row(container, row):
    kept = ('content-type', 'content-encoding', 'content-disposition', 'x-delete-at', 'x-object-manifest', 'x-static-large-object')
    url = swift_url(container, row['name'])
    found = {'container': container, 'name': row['name'], 'headers': headers_of(url, lambda k: k in kept or k.startswith('x-object-meta-'))}
    if not FIELDS_ONLY:
        found['sha256'], found['bytes'] = hash_of(url)
    if 'x-static-large-object' in found['headers']:
        segments = get(url + '?multipart-manifest=get').json()
        found['segments'] = [{'path': s['name'], 'etag': s['hash'], 'bytes': s['bytes']} for s in segments]
    return found


def container_row(name):
    keep = ('x-container-read', 'x-container-write', 'x-storage-policy', 'x-versions-enabled', 'x-versions-location')
    return {'name': name, 'headers': headers_of(swift_url(name), lambda k: k in keep or k.startswith('x-container-meta-'))}


images = [i for i in pages(GLANCE + '/images?limit=100', 'images') if i['owner'] == PROJECT]
volumes = list(CLOUD.block_storage.volumes())
containers = [row['name'] for row in listing()]
others = [{'kind': 'volume snapshot', 'id': s.id, 'name': s.name} for s in CLOUD.block_storage.snapshots()]
others += [{'kind': 'volume backup', 'id': b.id, 'name': b.name} for b in CLOUD.block_storage.backups()]
others += [{'kind': 'image', 'id': i['id'], 'name': i['name'], 'status': i['status']} for i in images if i['status'] != 'active']
json.dump({
    'projectId': PROJECT,
    'images': [image_row(i) for i in sorted(images, key=lambda i: (i['name'] or '', i['id']))],
    'volumes': [volume_row(v) for v in sorted(volumes, key=lambda v: (v.name or '', v.id))],
    'containers': [container_row(c) for c in containers],
    'objects': [object_row(c, row) for c in containers for row in listing(c)],
    'others': others,
}, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
