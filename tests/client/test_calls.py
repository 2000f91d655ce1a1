"""What can be asked of a server and of a job, by each kind of client."""

import json
import uuid
from typing import Any

import pytest

from progrock.client import (
    BadAddress,
    BadAnswer,
    Conflict,
    JobCancelled,
    JobFailed,
    Refused,
    ServerAway,
    State,
    WaitedTooLong,
)
from tests.client.kinds import Clients
from tests.client.proxy import Proxy
from tests.conformance.target import Target
from tests.launcher_process import free_port
from tests.scripted_backend import Reply, ScriptedBackend


def test_a_job_is_started_by_keywords_and_gives_its_result(client: Any) -> None:
    job = client.start("steps", script="quick", title="By keywords", labels=["one", "two"])

    assert job.result() == {"pictures": 3}
    assert job.snapshot.state is State.SUCCEEDED
    assert job.snapshot.title == "By keywords"
    assert job.snapshot.labels == ("one", "two")
    assert job.snapshot.params == {"script": "quick"}


def test_params_whose_names_clash_go_into_params(client: Any) -> None:
    with pytest.raises(Refused) as refused:
        client.start("steps", params={"title": "a parameter"})
    assert refused.value.code == "bad_params"
    assert "title" in refused.value.message


def test_the_default_backend_is_taken_when_none_is_named(client: Any) -> None:
    assert client.start().snapshot.backend == "steps"


def test_the_same_key_gives_the_same_job(client: Any) -> None:
    key = uuid.uuid4().hex
    first = client.start("steps", script="quick", key=key)
    assert client.start("steps", script="quick", key=key).id == first.id
    with pytest.raises(Conflict) as refused:
        client.start("steps", script="slow", key=key)
    assert refused.value.code == "conflict"


def test_a_start_whose_answer_was_lost_is_sent_again_and_gives_one_job(
    clients: Clients, proxy: Proxy
) -> None:
    client = clients(proxy.url)
    label = uuid.uuid4().hex
    proxy.cut_after, proxy.cuts_left = 1, 1
    job = client.start("steps", script="quick", labels=[label])

    assert proxy.requests.count("POST /api/v1/jobs HTTP/1.1") == 2
    assert [found.job for found in client.jobs(label=label)] == [job.id]


def test_a_failed_job_raises_its_code_and_message(client: Any) -> None:
    job = client.start("steps", script="failing")
    with pytest.raises(JobFailed, match="The disk is full") as failed:
        job.result()
    assert failed.value.code == "backend_failed"
    assert failed.value.snapshot.job == job.id


def test_a_cancelled_job_raises_that_it_was_cancelled(client: Any) -> None:
    job = client.start("steps", script="slow")
    assert job.cancel().state in {State.CANCELLING, State.CANCELLED}
    with pytest.raises(JobCancelled) as cancelled:
        job.result()
    assert cancelled.value.code == "cancelled"
    with pytest.raises(Refused) as refused:
        job.cancel()
    assert refused.value.code == "not_cancellable"


def test_a_result_is_waited_for_no_longer_than_said(client: Any) -> None:
    job = client.start("steps", script="slow")
    with pytest.raises(WaitedTooLong, match=job.id) as waited:
        job.result(timeout=0.3)
    assert isinstance(waited.value, TimeoutError)
    assert not job.refresh().complete
    job.cancel()


def test_waiting_for_the_result_takes_no_event_from_the_iteration(client: Any) -> None:
    job = client.start("steps", script="quick")
    job.result()
    events = list(job)
    assert [event.seq for event in events] == list(range(2, job.snapshot.seq + 1))
    assert [event.complete for event in events] == [False] * (len(events) - 1) + [True]


def test_an_edit_of_an_old_version_is_a_conflict_with_the_present_values(client: Any) -> None:
    job = client.start("steps", script="quick")
    assert job.edit(title="First", labels=["a"], pinned=True, note="n").version == 2
    assert job.edit(title="Second").title == "Second"
    with pytest.raises(Conflict) as conflict:
        job.edit(title="Third", version=1)
    assert conflict.value.details["title"] == "Second"
    assert (job.snapshot.labels, job.snapshot.pinned, job.snapshot.note) == (("a",), True, "n")


def test_comments_are_told_in_their_order(client: Any) -> None:
    job = client.start("steps", script="quick")
    for text in ("one", "two"):
        assert job.comment(text).text == text
    assert [comment.text for comment in job.comments()] == ["one", "two"]


def test_a_job_that_has_ended_is_started_once_more(client: Any) -> None:
    job = client.start("steps", script="failing")
    with pytest.raises(JobFailed):
        job.result()
    again = job.retry(script="quick")
    assert again.snapshot.retry_of == job.id
    assert again.result() == {"pictures": 3}


def test_a_shared_job_can_be_followed_and_not_touched(
    clients: Clients, client: Any, target: Target
) -> None:
    job = client.start("steps", script="slow")
    share = job.share(expires_in=600)
    assert share.token in share.url
    assert share.token not in repr(share)
    guest = clients(target.url, share.token)
    seen = guest.job(job.id)
    assert seen.snapshot.can == ()
    with pytest.raises(Refused) as refused:
        seen.cancel()
    assert refused.value.code == "not_permitted"
    job.cancel()
    with pytest.raises(JobCancelled):
        seen.result()


def test_jobs_are_listed_page_after_page_by_what_is_wanted(client: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("progrock.client.server_operations.MOST_A_PAGE", 2)
    label = uuid.uuid4().hex
    made = [client.start("steps", script="quick", labels=[label]).id for _ in range(5)]
    assert [found.job for found in client.jobs(label=label)] == made[::-1]
    assert [found.job for found in client.jobs(label=label, limit=3)] == made[:1:-1]
    assert list(client.jobs(label=label, backend="other")) == []


def test_backends_come_with_the_schema_of_their_params(client: Any) -> None:
    backends = {backend.name: backend for backend in client.backends()}
    assert backends["steps"].default
    assert backends["steps"].params["properties"]["count"]["maximum"] == 9


def test_a_job_that_is_not_there_is_refused(client: Any) -> None:
    for job in (str(uuid.uuid4()), "no-uuid"):
        with pytest.raises(Refused) as refused:
            client.job(job)
        assert refused.value.code == "unknown_job"


def test_a_server_that_is_away_is_said_at_once_with_what_to_do(clients: Clients) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerAway, match=f"{url}.*PROGROCK_URL") as away:
        clients(url).backends()
    assert isinstance(away.value, ConnectionError)


def test_another_service_is_told_from_a_progrock_server(clients: Clients) -> None:
    with ScriptedBackend() as other:
        other.at("GET", "/api/v1/backends", Reply(body="<html>Log in</html>"))
        with pytest.raises(BadAnswer, match="Check the address"):
            clients(other.url).backends()


def test_a_refusal_for_now_is_tried_again(clients: Clients) -> None:
    busy = {"code": "unavailable", "message": "later", "retryable": True, "retry_after": 0.01}
    with ScriptedBackend() as server:
        server.at(
            "GET", "/api/v1/backends", Reply(status=503, body=busy), Reply(body={"backends": []})
        )
        assert clients(server.url).backends() == []


def test_an_address_that_cannot_be_one_is_refused(clients: Clients) -> None:
    for url in ("ftp://here", "http://", "http://host:port"):
        with pytest.raises(BadAddress, match="PROGROCK_URL"):
            clients(url)


def test_address_and_token_come_from_the_environment(
    clients: Clients, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGROCK_URL", target.url.removeprefix("http://") + "/")
    monkeypatch.setenv("PROGROCK_TOKEN", "prk_wrong")
    client = clients("")
    assert client.server.url == target.url
    assert "prk_wrong" not in repr(client.server)
    with pytest.raises(Refused) as refused:
        client.backends()
    assert refused.value.code == "not_authenticated"


def test_what_is_no_json_is_not_sent(client: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        client.start("steps", script=float("nan"))
    assert json.dumps(client.start("steps").snapshot.raw)
