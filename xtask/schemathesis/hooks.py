"""Where the description cannot tell the whole truth, and what is asked instead.

No check is turned off. A schema says which texts are well formed; it cannot say which tiers there
are just now, or that two members have to fit each other. Here requests that are meant to be
accepted get values that the server can accept; requests that are meant to be refused stay as they are.
"""

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi.checks import UseAfterFree

# A well-formed name is not enough: a key is given a tier that there is. These are there from the start.
schemathesis.openapi.format("tier", st.sampled_from(["basic", "pro", "enterprise"]))

# A span has bounds that depend on the unit, which no pattern should spell out.
schemathesis.openapi.format(
    "span",
    st.one_of(
        st.integers(1, 10_000_000).map("{}s".format),
        st.integers(1, 100_000).map("{}m".format),
        st.integers(1, 5_000).map("{}h".format),
        st.integers(1, 365).map("{}d".format),
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


TIERS = ("basic", "pro", "enterprise")
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
YEAR = 365 * 86_400


def fits(span):
    """Whether a well-formed span is 1 second to a year."""
    return 1 <= int(span[:-1]) * SECONDS[span[-1]] <= YEAR


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes members fit each other in requests that are meant to be accepted."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "PUT /admin/tiers/{name}":
        for limit in case.body["limits"]:
            # Texts of a given length are made without asking for the format.
            limit["per"] = limit["per"] if fits(limit["per"]) else "60s"
            # The bucket has to fill again within 366 days.
            limit["burst"] = min(limit["burst"], limit["amount"])
    if case.operation.label == "POST /admin/api-keys":
        if case.body.get("tier", "basic") not in TIERS:
            case.body["tier"] = "basic"


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
    """Says which failures stand; all do, but for one that asks for less than what holds.

    A key that was revoked is not gone: it stays for the audit, its state is `revoked`, and it never
    works again. So instead of 404, `use_after_free` has to find it in that state.
    """
    if isinstance(failure, UseAfterFree) and case.path == "/admin/api-keys/{key_id}":
        return response.json()["state"] != "revoked"
    if isinstance(failure, UseAfterFree) and case.path == "/admin/api-keys/{key_id}/usage":
        return False
    return True
