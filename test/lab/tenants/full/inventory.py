"""Print every resource of the project of OS_CLOUD with all its fields, as JSON: python3 inventory.py [--fields]

    {"projectId", "resources": {type: [raw body, ...]}, "data": {type: {id: {"sha256", "bytes"}}}}

`data`, without --fields: every active image, every volume (through an image of it), every object as sent ("container/name", and
"container/name@version"), the root disk of every stopped image-booted server (through createImage, as raw bytes) and every
secret's payload. Everything made for the reading is removed again.
"""
import hashlib, json, subprocess, sys, tempfile

import resources
from cloud import Cloud, Refused, say, wait

READ_BACK = 'inventory-read-back'


def hash_of(answer):
    digest, size = hashlib.sha256(), 0
    while chunk := answer.raw.read(1 << 20, decode_content=False):
        digest.update(chunk)
        size += len(chunk)
    return {'sha256': digest.hexdigest(), 'bytes': size}


def image_data(cloud, image):
    return hash_of(cloud.image.raw('GET', '/images/%s/file' % image, stream=True))


def with_image(cloud, image, read):
    """Waits for a temporary image, reads it, removes it."""
    try:
        wait(lambda: cloud.image('GET', '/images/' + image), 'active', 'image ' + image, 600)
        return read(cloud, image)
    finally:
        cloud.image('DELETE', '/images/' + image)


def volume_data(cloud, volume):
    action = {'image_name': READ_BACK, 'disk_format': 'raw', 'container_format': 'bare', 'force': volume['status'] == 'in-use'}
    image = cloud.volume('POST', '/volumes/%s/action' % volume['id'], {'os-volume_upload_image': action})['os-volume_upload_image']['image_id']
    try:
        return with_image(cloud, image, image_data)
    finally:
        wait(lambda: cloud.volume('GET', '/volumes/' + volume['id'])['volume'], volume['status'], 'volume ' + volume['id'])


def raw_data(cloud, image):
    """Of a disk image in any format, the guest's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/disk', 'wb') as file:
            for chunk in cloud.image.raw('GET', '/images/%s/file' % image, stream=True).iter_content(1 << 20):
                file.write(chunk)
        subprocess.run(['qemu-img', 'convert', '-f', cloud.image('GET', '/images/' + image)['disk_format'], '-O', 'raw', folder + '/disk', folder + '/raw'], check=True)
        digest, size = hashlib.sha256(), 0
        with open(folder + '/raw', 'rb') as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
                size += len(chunk)
    return {'sha256': digest.hexdigest(), 'bytes': size}


def server_data(cloud, server):
    image = cloud.compute('POST', '/servers/%s/action' % server['id'], {'createImage': {'name': READ_BACK}})['image_id']
    return with_image(cloud, image, raw_data)


def secret_data(cloud, secret):
    kind = (secret['content_types'] or {}).get('default')
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
        hashes = {}
        for row in found.get(kind, ()):
            if wanted(row):
                hashes[name(row)] = read(cloud, row)
        say('read the bytes of %d %s' % (len(hashes), kind))
        return {kind: {k: v for k, v in hashes.items() if v is not None}}
    return {
        **rows('glance.image', lambda i: i['status'] == 'active' and i['size'], lambda c, i: image_data(c, i['id'])),
        **rows('cinder.volume', lambda v: v['status'] in ('available', 'in-use'), volume_data),
        **rows('nova.server', lambda s: s['status'] == 'SHUTOFF' and s['image'], server_data),
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
