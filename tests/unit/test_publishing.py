"""An event comes out of a layer message as it went in."""

import json

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from progrock.live.publishing import Facts, Published, _packed, group_of, unpack

PUBLISHED = st.builds(
    Published,
    job=st.uuids().map(str),
    seq=st.integers(1, 2**53),
    type=st.sampled_from(["state", "progress", "log", "comment", "edited", "complete"]),
    frame=st.text(),
    shard=st.integers(0, 255),
    facts=st.builds(
        Facts,
        owner=st.none() | st.integers(1, 2**63 - 1),
        backend=st.text(),
        labels=st.lists(st.text()).map(tuple),
        state=st.sampled_from(["pending", "running", "succeeded"]),
    ),
)


@given(PUBLISHED)
def test_an_event_is_the_same_after_the_layer(event: Published) -> None:
    packed = _packed(event)
    assert unpack(packed) == event
    assert unpack(json.loads(json.dumps(packed))) == event
    assert unpack(msgpack.unpackb(msgpack.packb(packed))) == event


def test_each_shard_has_a_group_of_its_own_with_a_valid_name() -> None:
    names = {group_of(shard) for shard in range(256)}
    assert len(names) == 256
    assert all(len(name) < 100 and name.replace(".", "").isalnum() for name in names)
