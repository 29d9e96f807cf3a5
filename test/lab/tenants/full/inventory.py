"""Print every resource of the project of OS_CLOUD with all its fields, as JSON: python3 inventory.py [--fields]

    {"projectId", "resources": {type: [raw body, ...]}, "data": {type: {id: {"sha256", "bytes"}}}}

`data`, without --fields: every active image, every volume (through an image of it), every object as sent ("container/name", and
"container/name@version"), the root disk of every image-booted server (through createImage, as raw bytes) and every
secret's payload. Of a disk also `mib`: the hash of each MiB that is not all zeros. Everything made for the reading is removed again.
"""
import concurrent.futures, hashlib, json, subprocess, sys, tempfile

import resources
from cloud import Cloud, Refused, say, wait

READ_BACK = 'inventory-read-back'
MIB = 1 << 20
ZEROS = bytes(MIB)


def hash_of(answer):
    digest, size = hashlib.sha256(), 0
    while chunk := answer.raw.read(1 << 20, decode_content=False):
        digest.update(chunk)
        size += len(chunk)
    return {'sha256': digest.hexdigest(), 'bytes': size}


def hash_of_disk(read):
    """`mib`: of every MiB that is not all zeros its number and a short hash, so that a difference has a place."""
    digest, size, mib, rest = hashlib.sha256(), 0, {}, b''
    while True:
        chunk = read(MIB)
        rest += chunk
        while len(rest) >= MIB or (rest and not chunk):
            part, rest = rest[:MIB], rest[MIB:]
            digest.update(part)
            if part != ZEROS:
                mib[str(size // MIB)] = hashlib.sha256(part).hexdigest()[:16]
            size += len(part)
        if not chunk:
            return {'sha256': digest.hexdigest(), 'bytes': size, 'mib': mib}


def image_data(cloud, image):
    return hash_of(cloud.image.raw('GET', '/images/%s/file' % image, stream=True))


def raw_image_data(cloud, image):
    body = cloud.image.raw('GET', '/images/%s/file' % image, stream=True).raw
    return hash_of_disk(lambda size: body.read(size, decode_content=False))


def with_image(cloud, image, read):
    """Waits for a temporary image, reads it, removes it."""
    try:
        wait(lambda: cloud.image('GET', '/images/' + image), 'active', 'image ' + image, 600)
        return read(cloud, image)
    finally:
        resources.absent(lambda: cloud.image('DELETE', '/images/' + image))   # one that failed is gone already


def volume_data(cloud, volume):
    """A volume in use cannot become an image: a volume of a snapshot of it can."""
    api, made = cloud.volume, []

    def make(kind, body, what):
        row = api('POST', '/%ss' % kind, {kind: dict(body, name=READ_BACK)})[kind]
        made.append((kind, row['id']))
        return wait(lambda: api('GET', '/%ss/%s' % (kind, row['id']))[kind], 'available', what)
    try:
        free = volume
        if volume['status'] != 'available':
            snapshot = make('snapshot', {'volume_id': volume['id'], 'force': True}, 'snapshot of ' + volume['name'])
            free = make('volume', {'snapshot_id': snapshot['id'], 'size': volume['size'], 'volume_type': volume['volume_type']}, 'copy of ' + volume['name'])
        action = {'image_name': READ_BACK, 'disk_format': 'raw', 'container_format': 'bare'}
        image = api('POST', '/volumes/%s/action' % free['id'], {'os-volume_upload_image': action})['os-volume_upload_image']['image_id']
        try:
            return with_image(cloud, image, raw_image_data)
        finally:
            wait(lambda: api('GET', '/volumes/' + free['id'])['volume'], 'available', 'volume ' + free['id'])
    finally:
        for kind, one in reversed(made):
            api('DELETE', '/%ss/%s' % (kind, one))
            wait(lambda: api('GET', '/%ss/%s' % (kind, one))[kind], None, kind)


def raw_data(cloud, image):
    """Of a disk image in any format, the guest's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/disk', 'wb') as file:
            for chunk in cloud.image.raw('GET', '/images/%s/file' % image, stream=True).iter_content(1 << 20):
                file.write(chunk)
        subprocess.run(['qemu-img', 'convert', '-f', cloud.image('GET', '/images/' + image)['disk_format'], '-O', 'raw', folder + '/disk', folder + '/raw'], check=True)
        with open(folder + '/raw', 'rb') as file:
            return hash_of_disk(file.read)


def server_data(cloud, server):
    image = cloud.compute('POST', '/servers/%s/action' % server['id'], {'createImage': {'name': READ_BACK}})['image_id']
    return with_image(cloud, image, raw_data)


def secret_data(cloud, secret):
    kind = (secret.get('content_types') or {}).get('default')   # none: a secret without a payload
    if kind is None:
        return None
    return hash_of(cloud.keys.raw('GET', '/secrets/%s/payload' % secret['id'], headers={'Accept': kind}, stream=True))


def object_data(cloud, row):
    if not row['headers']:
        return None   # a delete marker
    query = '?version-id=' + row['version_id'] if row.get('version_id') else ''
    return hash_of(cloud.object.raw('GET', resources.quoted(row['of_container'], row['name']) + query, stream=True))


def data(cloud, found):
    def rows(kind, wanted, read, name=lambda row: row['id']):
        chosen = [row for row in found.get(kind, ()) if wanted(row)]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            hashes = {name(row): made for row, made in zip(chosen, pool.map(lambda row: read(cloud, row), chosen))}
        say('read the bytes of %d %s' % (len(hashes), kind))
        return {kind: {k: v for k, v in hashes.items() if v is not None}}
    return {
        **rows('glance.image', lambda i: i['status'] == 'active' and i['size'], lambda c, i: image_data(c, i['id'])),
        **rows('cinder.volume', lambda v: v['status'] in ('available', 'in-use'), volume_data),
        **rows('nova.server', lambda s: s['status'] in ('ACTIVE', 'SHUTOFF') and s['image'], server_data),
        **rows('swift.object', lambda o: True, object_data,
               lambda o: o['of_container'] + '/' + o['name'] + ('@' + o['version_id'] if o.get('version_id') else '')),
        **rows('barbican.secret', lambda s: s['status'] == 'ACTIVE', secret_data),
    }


def main(options):
    cloud, admin = Cloud(), Cloud('lab-admin')
    found = resources.read(cloud, admin)
    say('%d resources of %d types' % (sum(map(len, found.values())), len(found)))
    answer = {'projectId': cloud.project, 'resources': found}
    if '--fields' not in options:
        answer['data'] = data(cloud, found)
    json.dump(answer, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    print()


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Refused, RuntimeError) as error:
        sys.exit('inventory: %s' % error)
