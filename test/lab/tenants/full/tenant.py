"""The projects, people and clouds of the full tenant, and what its parts share."""
import hashlib, json, os

import yaml

from cloud import Cloud, Refused

MIB, GIB = 1 << 20, 1 << 30


def pattern(label, size):
    """Reproducible bytes: half incompressible, a quarter text, a quarter zeros."""
    out = bytearray()
    for block in range(size // MIB):
        if block % 4 == 3:
            out += bytes(MIB)
        elif block % 4 == 2:
            line = ('%s block %d: the quick brown fox jumps over the lazy dog\n' % (label, block)).encode()
            out += (line * (MIB // len(line) + 1))[:MIB]
        else:
            out += hashlib.shake_128(('%s/%d' % (label, block)).encode()).digest(MIB)
    return bytes(out)


class Tenant:
    """`cloud`: the member of P-acme everything is made as; `user`: another member; `admin`: the lab's administrator.

    `ids` holds what the parts make, by short names; `data` what `lab verify` compares: type -> id -> SHA-256 and size.
    """

    def __init__(self, prefix, small=False):
        self.small, self.prefix, self.folder = small, prefix, '/run/lab/tenants/%s-full' % prefix
        os.makedirs(self.folder, exist_ok=True)
        self.base = yaml.safe_load(open('/run/lab/clouds.yaml'))['clouds']['lab-admin']
        self.admin, self.ids, self.roles = Cloud('lab-admin'), {}, {}
        self.projects = {side: '%s-%s' % (prefix, side) for side in ('acme', 'globex', 'target')}
        self.data = {'glance.image': {}, 'cinder.volume': {}, 'swift.object': {}, 'barbican.secret': {}}
        self.cloud = self.user = None
        self.failed = False

    def spec(self, user, project):
        return dict(self.base, auth=dict(self.base['auth'], username=user, password=user + '-pw', project_name=project))

    def clouds(self):
        """name in clouds.yaml -> settings. The names without a suffix are plain members, P-acme-admin and P-target-admin administrators."""
        made = {name: self.spec(name, name) for name in self.projects.values()}
        made[self.prefix + '-acme-user'] = self.spec(self.prefix + '-acme-user', self.projects['acme'])
        for side in ('acme', 'target'):
            made['%s-%s-admin' % (self.prefix, side)] = self.spec(self.prefix + '-admin', self.projects[side])
        return made

    def found(self, kind, plural, name):
        rows = self.admin.identity.all('/%s?name=%s' % (plural, name), plural)
        return rows[0] if rows else None

    def make(self, kind, plural, name, **fields):
        """Finds or makes an object of Keystone and gives it these fields."""
        row, password = self.found(kind, plural, name), fields.pop('password', None)
        if row is None:
            body = dict(fields, name=name, **({'password': password} if password else {}), **({'domain_id': 'default'} if kind != 'role' else {}))
            return self.admin.identity('POST', '/' + plural, {kind: body})[kind]
        return self.admin.identity('PATCH', '/%s/%s' % (plural, row['id']), {kind: dict(fields, **({'password': password} if password else {}))})[kind]

    def grant(self, project, role, who, inherited=False):
        tail = '/projects/%s/%s/roles/%s' % (project, who, self.roles[role])
        self.admin.identity('PUT', '/OS-INHERIT' + tail + '/inherited_to_projects' if inherited else tail)

    def make_projects(self):
        """The projects and who may log in to them; nothing in them yet."""
        about = {'acme': 'Acme Corp \u2014 production tenant', 'globex': 'neighbour that Acme shares things with', 'target': 'empty, to restore into'}
        self.roles = {r['name']: r['id'] for r in self.admin.identity('GET', '/roles')['roles']}
        for name in ('swiftoperator', 'creator', 'load-balancer_member', self.prefix + '-operator'):
            if name not in self.roles:
                self.roles[name] = self.make('role', 'roles', name, description='role of the lab')['id']
        for side, name in self.projects.items():
            project = self.make('project', 'projects', name, description=about[side], tags=['lab', 'tier:gold'] if side == 'acme' else [])['id']
            self.ids[side] = project
            people = {name: ('member', 'load-balancer_member', 'swiftoperator', 'creator')}
            if side == 'acme':
                people[name + '-user'] = ('member', self.prefix + '-operator')
            for person, roles in people.items():
                user = self.make('user', 'users', person, password=person + '-pw', email=person + '@lab.example', default_project_id=project, enabled=True,
                                 description='' if side != 'acme' else 'ordinary user' if person.endswith('user') else 'tenant\u2019s own operator')['id']
                self.ids[person.removeprefix(self.prefix + '-') + '@'] = user
                for role in roles:
                    self.grant(project, role, 'users/' + user)
        boss = self.ids['admin@'] = self.make('user', 'users', self.prefix + '-admin', password=self.prefix + '-admin-pw', description='administrator in both projects')['id']
        for side in ('acme', 'target'):
            self.grant(self.ids[side], 'admin', 'users/' + boss)
        with open(self.folder + '/clouds.yaml', 'w') as file:
            yaml.safe_dump({'clouds': self.clouds()}, file)

    def connect(self, name):
        return Cloud(spec=self.clouds()[self.prefix + '-' + name])

    def make_people(self):
        """A group, an inherited and a group's role, a disabled user, credentials, a trust."""
        self.cloud, self.user = self.connect('acme'), self.connect('acme-user')
        acme, me, other, api = self.ids['acme'], self.ids['acme@'], self.ids['acme-user@'], self.admin.identity
        group = self.make('group', 'groups', self.prefix + '-team', description='everybody at Acme')['id']
        api('PUT', '/groups/%s/users/%s' % (group, other))
        self.grant(acme, 'reader', 'groups/' + group)
        self.grant(acme, 'member', 'users/' + other, inherited=True)
        former = self.make('user', 'users', self.prefix + '-former', enabled=False, description='left the company', email='former@lab.example')['id']
        self.grant(acme, 'reader', 'users/' + former)
        mine = self.cloud.identity
        for row in mine('GET', '/users/%s/application_credentials' % me)['application_credentials']:
            mine('DELETE', '/users/%s/application_credentials/%s' % (me, row['id']))
        mine('POST', '/users/%s/application_credentials' % me, {'application_credential': {
            'name': 'backup', 'description': 'for scripts', 'roles': [{'name': 'member'}], 'expires_at': '2035-01-01T00:00:00.000000'}})
        for row in mine('GET', '/users/%s/credentials/OS-EC2' % me)['credentials']:
            mine('DELETE', '/users/%s/credentials/OS-EC2/%s' % (me, row['access']))
        mine('POST', '/users/%s/credentials/OS-EC2' % me, {'tenant_id': acme})
        for row in mine('GET', '/OS-TRUST/trusts?trustor_user_id=' + me)['trusts']:
            mine('DELETE', '/OS-TRUST/trusts/' + row['id'])
        mine('POST', '/OS-TRUST/trusts', {'trust': {'trustor_user_id': me, 'trustee_user_id': other, 'project_id': acme, 'impersonation': False,
                                                    'roles': [{'name': 'member'}]}})

    def make_quotas(self):
        acme = self.ids['acme']
        self.admin.compute('PUT', '/os-quota-sets/' + acme, {'quota_set': {'instances': 40, 'cores': 60, 'ram': 65536, 'key_pairs': 30}})
        self.admin.volume('PUT', '/os-quota-sets/' + acme, {'quota_set': {'volumes': 60, 'snapshots': 61, 'gigabytes': 600}})
        self.admin.network('PUT', '/quotas/' + acme, {'quota': {'port': 300, 'network': 60, 'router': 20, 'floatingip': 40, 'security_group': 60, 'security_group_rule': 400}})
        self.admin.balance('PUT', '/quotas/' + acme, {'quota': {'load_balancer': 12, 'listener': 60}})

    def save(self):
        manifest = {'version': 2, 'prefix': self.prefix, 'data': self.data, 'projects': {side: {'id': self.ids[side], 'name': name} for side, name in self.projects.items()},
                    'users': {name[:-1]: made for name, made in self.ids.items() if name.endswith('@')}}
        with open(self.folder + '/manifest.json.new', 'w', encoding='utf-8') as file:
            json.dump(manifest, file, indent=1, ensure_ascii=False, sort_keys=True)
        os.rename(self.folder + '/manifest.json.new', self.folder + '/manifest.json')


def ignore_missing(call):
    try:
        return call()
    except Refused as refused:
        if refused.status != 404:
            raise
        return None
