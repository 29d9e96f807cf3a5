"""Compare an inventory (standard input) with a manifest (first argument): every byte is there and nothing else."""
import json, sys

FOUND, WANTED = json.load(sys.stdin), json.load(open(sys.argv[1], encoding='utf-8'))
BAD = []
for kind, key in (('images', ('id',)), ('volumes', ('id',)), ('objects', ('container', 'name'))):
    found = {tuple(row[k] for k in key): row for row in FOUND[kind]}
    wanted = {tuple(row[k] for k in key): row for row in WANTED[kind]}
    BAD += ['%s %s is missing' % (kind, k) for k in wanted if k not in found]
    BAD += ['%s %s is not in the manifest' % (kind, k) for k in found if k not in wanted]
    for k, row in wanted.items():
        if k in found and (found[k].get('sha256'), found[k].get('bytes')) != (row['sha256'], row['bytes']):
            BAD.append('%s %s has other bytes: %s' % (kind, k, found[k].get('sha256')))
    print('%s: %d, %d bytes' % (kind, len(wanted), sum(row['bytes'] for row in wanted.values())))
BAD += ['left over: %s' % row for row in FOUND['others']]
print('\n'.join(BAD) if BAD else 'all bytes are there')
sys.exit(1 if BAD else 0)
