"""A cloud as the programs of this folder see it: raw JSON requests to its services, through openstacksdk's session."""
import sys, time

import openstack
from keystoneauth1 import exceptions

# service -> types in the catalogue, what comes after the catalogue's address, headers that choose the microversion
SERVICES = {
    'identity': (('identity',), '', {}),
    'compute': (('compute',), '', {'OpenStack-API-Version': 'compute 2.96', 'X-OpenStack-Nova-API-Version': '2.96'}),
    'volume': (('block-storage', 'volumev3'), '', {'OpenStack-API-Version': 'volume 3.70'}),
    'image': (('image',), '/v2', {}),
    'network': (('network',), '/v2.0', {}),
    'balance': (('load-balancer',), '/v2/lbaas', {}),
    'object': (('object-store',), '', {}),
    'keys': (('key-manager',), '/v1', {}),
    'dns': (('dns',), '/v2', {}),
}


class Refused(Exception):
    """A request that was answered with an error; `status` is the HTTP status."""

    def __init__(self, method, url, answer):
        super().__init__('%s %s: %d %s' % (method, url, answer.status_code, answer.text[:400]))
        self.status = answer.status_code


class Api:
    """One service: api(METHOD, PATH, BODY) gives the parsed JSON of the answer, None when there is none."""

    def __init__(self, session, url, headers):
        self.session, self.url, self.headers = session, url, headers

    def raw(self, method, path, **options):
        url = path if path.startswith('http') else self.url + path
        headers = dict(self.headers, **options.pop('headers', {}))
        answer = self.session.request(url, method, headers=headers, raise_exc=False, **options)
        if answer.status_code >= 300 and not (answer.status_code == 300 and method == 'GET'):
            raise Refused(method, url, answer)
        return answer

    def __call__(self, method, path, body=None):
        answer = self.raw(method, path, **({} if body is None else {'json': body}))
        return answer.json() if answer.content and 'json' in answer.headers.get('Content-Type', '') else None

    def all(self, path, key, following=None):
        """Every row of a collection. `following` makes the next address of a page, None when it was the last."""
        rows = []
        while path:
            page = self('GET', path)
            rows += page[key]
            links = page.get(key + '_links') or page.get('links') or []
            path = following(page) if following else next((l['href'] for l in links if isinstance(l, dict) and l.get('rel') == 'next'), None)
        return rows


class Cloud:
    """`name`: a cloud of clouds.yaml, none: the one of OS_CLOUD; `spec`: its settings, when no file has them yet."""

    def __init__(self, name=None, spec=None):
        self.sdk = openstack.connect(load_yaml_config=False, load_envvars=False, **spec) if spec else openstack.connect(cloud=name) if name else openstack.connect()
        self.session = self.sdk.session
        self.access = self.session.auth.get_access(self.session)
        self.project, self.user, self.apis = self.access.project_id, self.access.user_id, {}

    def address(self, service):
        for kind in SERVICES[service][0]:
            try:
                return self.access.service_catalog.url_for(service_type=kind, interface='public', region_name=self.sdk.config.region_name).rstrip('/')
            except exceptions.EndpointNotFound:
                continue
        return None

    def has(self, service):
        return self.address(service) is not None

    def __getattr__(self, service):
        if service not in SERVICES:
            raise AttributeError(service)
        if service not in self.apis:
            url, (_, tail, headers) = self.address(service), SERVICES[service]
            if url is None:
                raise SystemExit('the catalogue has no %s' % SERVICES[service][0][0])
            for version in ('/v1', '/v2', '/v2.0', '/v2/lbaas', '/v3') if tail else ():
                url = url.removesuffix(version)
            self.apis[service] = Api(self.session, url + tail, headers)
        return self.apis[service]


def wait(get, wanted, what, seconds=300, field='status'):
    """Polls until `get` gives a thing whose status is wanted; `wanted` None: until it is gone (404)."""
    thing, deadline = None, time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            thing = get()
        except Refused as refused:
            if refused.status != 404 or wanted is not None:
                raise
            return None
        if wanted is not None and thing[field] == wanted:
            return thing
        if thing[field].lower() in ('error', 'killed', 'error_deleting', 'error_managing'):
            raise RuntimeError('%s went to %s' % (what, thing[field]))
        time.sleep(.5)
    raise RuntimeError('%s: still %s after %d s' % (what, thing[field] if thing else 'there', seconds))


def say(text):
    print('  +%5.1f s  %s' % (time.monotonic() - STARTED, text), file=sys.stderr, flush=True)


STARTED = time.monotonic()
