"""Where the description cannot tell the whole truth, and what is asked instead.

No check is turned off. A schema says which texts are well formed; it cannot say which tiers there
are just now, or that two members have to fit each other. Here requests that are meant to be
accepted get values that the server can accept; requests that are meant to be refused stay as they are.
"""

import itertools
import json
import sqlite3
import uuid
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, ip_network

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import UseAfterFree

# A well-formed name is not enough: a key is given a tier that there is. These are there from the start.
TIERS = ("basic", "pro", "enterprise")
schemathesis.openapi.format("tier", st.sampled_from(TIERS))

# Few of all times are from 1970 on, which the pattern asks for.
schemathesis.openapi.format(
    "date-time",
    st.builds(
        "{}{}{}".format,
        st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 31, 23, 59, 59)).map(datetime.isoformat),
        st.sampled_from(["", ".0", ".123456789"]),
        st.sampled_from(["Z", "+00:00", "-08:00", "+14:00", "+05:45"]),
    ).filter(lambda text: text.count(".") < 2),
)

# A span has bounds that depend on the unit, which no pattern should spell out.
schemathesis.openapi.format(
    "span",
    st.one_of(
        st.integers(1, 10_000_000).map("{}s".format),
        st.integers(1, 100_000).map("{}m".format),
        st.integers(1, 5_000).map("{}h".format),
        st.integers(1, 365).map("{}d".format),
        st.integers(1, 52).map("{}w".format),
    ),
)

# Whatever a browser takes for a URL is taken and brought into its normal form, spaces and all, so
# `uri` would refuse too much; which hosts are none is beyond a pattern.
schemathesis.openapi.format(
    "web-url",
    st.builds(
        "{}://{}.example/{}".format,
        st.sampled_from(["http", "https"]),
        st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20),
        st.text("abcdefghijklmnopqrstuvwxyz0123456789/-_.?=&", max_size=40),
    ),
)

# Which characters nobody sees is in Unicode's tables, and no pattern should spell them out.
schemathesis.openapi.format(
    "line",
    st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x2FF), min_size=1, max_size=100),
)

# That no bit is set behind the prefix is beyond a pattern, too.
schemathesis.openapi.format(
    "network",
    st.one_of(
        st.ip_addresses().map(str),
        st.builds(
            lambda address, bits: str(ip_network((address, bits), strict=False)),
            st.ip_addresses(v=4),
            st.integers(0, 32),
        ),
        st.builds(
            lambda address, bits: str(ip_network((address, bits), strict=False)),
            st.ip_addresses(v=6),
            st.integers(0, 128),
        ),
    ),
)


@schemathesis.deserializer("application/vnd.sqlite3")
def read_database(context, response):
    """Opens a copy of the database, and lets SQLite look whether it is whole."""
    copy = bytearray(response.content)
    # In memory there is no write-ahead log, which these two bytes ask for.
    copy[18:20] = b"\x01\x01"
    database = sqlite3.connect(":memory:")
    database.deserialize(bytes(copy))
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise ValueError("the copy is damaged")
    return response.content.decode("latin-1")


# The key that asks as a caller: the first one of a fresh database. It has to go on working.
OWN_KEY = 1
# One that may be changed instead.
OTHER_KEY = 2

DAY = 86_400
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": DAY, "w": 7 * DAY}

# Requests come from one address each: `10.0.0.1` and on.
addresses = itertools.count(int(IPv4Address("10.0.0.1")))
# What the server said last, which only it can know: the `ETag` of what it showed, and where the next
# page begins in each order.
versions = {}
cursors = {}


def fits(span, least, most):
    """Whether a well-formed span is so many seconds."""
    return least <= int(span[:-1]) * SECONDS[span[-1]] <= most


def moment(text):
    """The point in time that a well-formed text says; `None` if it is none from 1970 to 9999."""
    try:
        at = datetime.fromisoformat(text)
        return at if 0 <= at.timestamp() < 253_402_300_800 else None
    except (ValueError, OverflowError):
        return None


def is_network(text):
    try:
        ip_network(text)
        return True
    except ValueError:
        return False


def text_of(at):
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def fit_limits(body):
    names = set()
    for at, limit in enumerate(body.get("limits") or []):
        # That two limits of one list have different names is beyond a schema.
        limit["name"] = f"limit-{at}" if limit["name"] in names else limit["name"]
        names.add(limit["name"])
        # Texts of a given length are made without asking for the format.
        limit["per"] = limit["per"] if fits(limit["per"], 1, 365 * DAY) else "60s"
        # The bucket has to fill again within 366 days.
        limit["burst"] = min(limit["burst"], limit["amount"])


def has_large_number(value):
    """Whether there is a whole number in it that would come back as another one."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(has_large_number(item) for item in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**64


def fit_key(case):
    """A key that is issued or edited."""
    body = case.body
    fit_limits(body)
    if body.get("tier", "basic") not in TIERS:
        body["tier"] = "basic"
    if "networks" in body:
        networks = [text if is_network(text) else "192.0.2.0/24" for text in body["networks"]]
        body["networks"] = networks
    # Examples are put together from those of the members, whatever excludes each other.
    if "expires_at" in body and "expires_in" in body:
        del body["expires_in"]
    if body.get("expires_in") and not fits(body["expires_in"], 1, 36_525 * DAY):
        body["expires_in"] = "90d"
    # A schema does not know what time it is.
    now = datetime.now(timezone.utc)
    at = moment(body["expires_at"]) if body.get("expires_at") else None
    if body.get("expires_at") and (at is None or at < now + timedelta(hours=1)):
        body["expires_at"] = text_of(now + timedelta(days=90))
    # It counts characters and members, not bytes, and cannot say what a double keeps.
    if has_large_number(body.get("metadata")):
        body["metadata"] = {}
    if 4_096 < len(json.dumps(body.get("metadata", {}), ensure_ascii=False).encode()):
        body["metadata"] = {}


def fit_version(case):
    """A change that is made only to what is as it was seen, and a read of what is there."""
    if case.method == "GET":
        case.headers.pop("If-Match", None)
        return
    # Half of all that fits its pattern is `*`, which is against whatever is there.
    case.headers.pop("If-None-Match", None)
    if "If-Match" in case.headers:
        version = versions.get(named(case))
        if version is None:
            del case.headers["If-Match"]
        else:
            case.headers["If-Match"] = version


def named(case):
    """What a request names, by its kind and its name."""
    return tuple(sorted((name, str(value)) for name, value in case.path_parameters.items()))


def fit_once(case):
    """Another request under the same name is refused, and short names are made again and again."""
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


def fit_new_key(case):
    fit_key(case)
    fit_once(case)


def fit_edit(case):
    fit_key(case)
    fit_version(case)


def fit_owner(case):
    fit_version(case)
    fit_limits(case.body)


def fit_tier_name(case):
    # Keys are issued in these all the time, so they stay. Those that are written are others, so
    # that those are there to be deleted.
    if case.path_parameters["name"] in TIERS:
        case.path_parameters["name"] = "some-" + case.path_parameters["name"]
    fit_version(case)


def fit_tier(case):
    fit_tier_name(case)
    fit_limits(case.body)


def fit_rotation(case):
    fit_version(case)
    fit_once(case)
    grace = case.body.get("grace") if isinstance(case.body, dict) else None
    if grace is not None and not fits(grace, 0, 30 * DAY):
        case.body["grace"] = "24h"


def fit_list(case):
    query = case.query
    for name in ("expires_within", "idle_for"):
        if name in query and not fits(query[name], 1, 36_525 * DAY):
            query[name] = "30d"
    # A cursor comes from the server, and from the same order. `before` goes with neither.
    sort = query.get("sort", "-created")
    if "cursor" in query:
        query["cursor"] = cursors.get(sort)
        if query["cursor"] is None:
            del query["cursor"]
    if "cursor" in query or sort != "-created":
        query.pop("before", None)


def fit_usage(case):
    """`from` is before `to`, and not more than 2200 hours."""
    query = case.query
    if "from" not in query and "to" not in query:
        return
    to = moment(query["to"]) if "to" in query else datetime.now(timezone.utc)
    if to is None or to.year < 1971:
        to = datetime(1971, 1, 1, tzinfo=timezone.utc)
        query["to"] = text_of(to)
    since = moment(query["from"]) if "from" in query else to - timedelta(days=1)
    if since is None or not timedelta() < to - since < timedelta(days=90):
        query["from"] = text_of(to - timedelta(days=1))


def fit_reports(case):
    # The longest texts of the widest characters are more bytes than a body may have.
    if 200_000 < len(json.dumps(case.body)):
        del case.body["reports"][1:]


FIT = {
    "POST /leaks": fit_reports,
    "POST /admin/api-keys": fit_new_key,
    "GET /admin/api-keys/{key_id}": fit_version,
    "GET /admin/api-keys": fit_list,
    "PATCH /admin/api-keys/{key_id}": fit_edit,
    "DELETE /admin/api-keys/{key_id}": fit_version,
    "POST /admin/api-keys/{key_id}/suspend": fit_version,
    "POST /admin/api-keys/{key_id}/resume": fit_version,
    "POST /admin/api-keys/{key_id}/rotate": fit_rotation,
    "GET /admin/api-keys/{key_id}/usage": fit_usage,
    "GET /admin/usage": fit_usage,
    "GET /admin/owners/{owner}": fit_version,
    "PATCH /admin/owners/{owner}": fit_owner,
    "POST /admin/owners/{owner}/suspend": fit_version,
    "POST /admin/owners/{owner}/resume": fit_version,
    "GET /admin/tiers/{name}": fit_version,
    "PUT /admin/tiers/{name}": fit_tier,
    "DELETE /admin/tiers/{name}": fit_tier_name,
}


def judge_again(case):
    """Lets schemathesis look whether a body that is meant to be refused really breaks its schema.

    What was spoilt may be part of an item of a list that then became `null`, which is allowed.
    A body is judged when it is set.
    """
    if isinstance(case.body, (dict, list)):
        case.body = case.body


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes members fit each other in requests that are meant to be accepted."""
    case.headers["X-Forwarded-For"] = str(IPv4Address(next(addresses)))
    if str(case.path_parameters.get("key_id")) == str(OWN_KEY) and case.method != "GET":
        case.path_parameters["key_id"] = OTHER_KEY
    judge_again(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    fit = FIT.get(case.operation.label)
    if fit is not None:
        fit(case)


@schemathesis.hook
def after_call(context, case, response):
    """Keeps what only the server can know."""
    if "/owners/" in case.operation.path and case.method != "GET":
        # It changes all keys of the owner, whichever these are.
        versions.clear()
    if "etag" in response.headers and case.path_parameters:
        versions[named(case)] = response.headers["etag"][0]
    elif case.method == "DELETE" or response.status_code == 412:
        # What it is by now was not said.
        versions.pop(named(case), None)
    if case.operation.label == "GET /admin/api-keys" and response.status_code == 200:
        cursor = response.json()["next_cursor"]
        if cursor is not None:
            cursors[case.query.get("sort", "-created")] = cursor


@schemathesis.hook
def map_case(context, case):
    """Asks for a problem document in half of the requests, so that both forms are seen."""
    global count
    count += 1
    if count % 2:
        case.headers["Accept"] = "application/problem+json"
    return case


count = 0


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Says which failures stand; all do, but for those that ask for less than what holds.

    A key that was revoked is not gone: it stays for the audit, its state is `revoked`, and it never
    works again. So instead of 404, `use_after_free` has to find it in that state.

    An import refuses a key that does not fit, and no other because of it. So instead of 422,
    `negative_data_rejection` has to find that a key was refused.
    """
    if isinstance(failure, UseAfterFree) and case.path == "/admin/api-keys/{key_id}":
        return response.json()["state"] != "revoked"
    if isinstance(failure, UseAfterFree) and case.path == "/admin/api-keys/{key_id}/usage":
        return False
    if isinstance(failure, AcceptedNegativeData) and case.path == "/admin/import":
        return response.json()["refused"] == 0
    return True
