"""What is written to a core: exactly one request, or nothing."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.cores.http_request import FRAMING, Requests, Unsendable
from adapters.cores.json_mapping import JsonCoreSettings
from adapters.cores.place import Place, place_of
from adapters.cores.settings import HttpSettings

ALWAYS = {"Accept": "text/xml", "User-Agent": "nightsafe"}


def written(
    method: str = "GET",
    target: str = "/pay?n=1",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    url: str = "http://billing.test",
) -> bytes:
    """One request."""
    return Requests(place_of(url), ALWAYS).written(method, target, headers or {}, body)


class TestBytes:
    """Byte by byte, as cores have seen it since the beginning."""

    def test_a_get_has_no_length(self) -> None:
        """There is nothing behind its head."""
        assert written() == (
            b"GET /pay?n=1 HTTP/1.1\r\nHost: billing.test\r\nAccept: text/xml\r\nUser-Agent: nightsafe\r\n\r\n"
        )

    def test_a_post_is_head_length_and_body(self) -> None:
        """In one piece."""
        assert written("POST", "/payments", {"Content-Type": "application/json"}, b"{}") == (
            b"POST /payments HTTP/1.1\r\nHost: billing.test\r\nAccept: text/xml\r\nUser-Agent: nightsafe\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_a_method_that_could_have_a_body_says_that_it_has_none(self, method: str) -> None:
        """RFC 9110, 8.6; servers wait for a length, or answer 411."""
        assert written(method).endswith(b"\r\nContent-Length: 0\r\n\r\n")

    def test_the_core_s_own_path_comes_first(self) -> None:
        """And its port is named where it isn't the usual one."""
        assert written(target="?n=1", url="http://billing.test:8080/osmp").startswith(
            b"GET /osmp?n=1 HTTP/1.1\r\nHost: billing.test:8080\r\n"
        )

    @pytest.mark.parametrize("name", ["Accept", "accept", "ACCEPT"])
    def test_a_header_of_the_request_takes_the_place_of_a_common_one(self, name: str) -> None:
        """However it is spelt: two of a kind would leave the choice to the core."""
        request = written(headers={name: "text/plain"})
        assert request.lower().count(b"accept:") == 1
        assert f"\r\n{name}: text/plain\r\n".encode() in request

    def test_one_request_s_headers_don_t_stay_for_the_next(self) -> None:
        """Another payment's key would be sent."""
        requests = Requests(place_of("http://billing.test"), ALWAYS)
        requests.written("GET", "/", {"Idempotency-Key": "1"}, None)
        assert b"\r\nIdempotency-Key: 2\r\n" in requests.written("GET", "/", {"Idempotency-Key": "2"}, None)
        assert b"Idempotency-Key" not in requests.written("GET", "/", {}, None)


class TestUnsendable:
    """What would be two requests, or another's."""

    @pytest.mark.parametrize(
        "target",
        ["/a b", "/a\r\nX: y", "/a\n", "/\0", "/\x7f", "/\u00e9", "/a\tb", "", "pay", "//evil\r\n\r\nGET / HTTP/1.1"],
    )
    def test_a_target_is_visible_ascii_and_begins_with_a_slash(self, target: str) -> None:
        """Values are percent-encoded before; this is the last door."""
        with pytest.raises(Unsendable):
            written(target=target)

    @pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "a\r", "a\0b", "\ud800"])
    def test_a_header_is_one_line(self, value: str) -> None:
        """A secret file with a stray line break would end the head."""
        with pytest.raises(Unsendable):
            written(headers={"X-Key": value})

    @pytest.mark.parametrize("name", [*sorted(FRAMING), "X Y", "X:", "X\r\nY", "", "\u00e9"])
    def test_a_header_s_name_is_a_token_and_none_that_says_where_a_request_ends(self, name: str) -> None:
        """A second Content-Length is how one request becomes two."""
        with pytest.raises(Unsendable):
            written(headers={name: "1"})

    @given(target=st.text(max_size=12), name=st.text(max_size=6), value=st.text(max_size=12))
    def test_whatever_is_written_is_one_head(self, target: str, name: str, value: str) -> None:
        """Or nothing is written."""
        try:
            request = written(target="/" + target, headers={name: value})
        except Unsendable:
            return
        head, _, rest = request.partition(b"\r\n\r\n")
        assert rest == b""
        assert head.count(b"\r") == head.count(b"\n") == 4
        assert head.split(b"\r\n")[0].count(b" ") == 2


class TestPlace:
    """A core's address, cut."""

    @pytest.mark.parametrize(
        ("url", "place"),
        [
            ("http://billing.test", Place("billing.test", 80, "", "billing.test")),
            ("https://billing.test:443/a", Place("billing.test", 443, "/a", "billing.test")),
            ("http://Billing.test:8080", Place("billing.test", 8080, "", "billing.test:8080")),
            ("http://[::1]:8080/", Place("::1", 8080, "/", "[::1]:8080")),
            ("http://billing.test./x", Place("billing.test.", 80, "/x", "billing.test")),
            (
                "https://\u043f\u0440\u0438\u043c\u0435\u0440.test",
                Place("xn--e1afmkfd.test", 443, "", "xn--e1afmkfd.test"),
            ),
        ],
    )
    def test_host_port_path_and_authority(self, url: str, place: Place) -> None:
        """The usual port isn't named, and names are as DNS has them."""
        assert place_of(url) == place

    def test_a_scheme_in_capitals_is_tls_too(self) -> None:
        """Else payments would leave in the clear."""
        assert HttpSettings.model_validate({"url": "HTTPS://billing.test"}).is_tls

    @pytest.mark.parametrize(
        "url",
        [
            "http://billing.test:99999",
            "http://billing.test:x",
            "http://billing.test/p\u00e9",
            "http://billing.test/a b",
            "http://" + "\u0431" * 70 + ".test",
        ],
    )
    def test_an_address_that_no_request_could_name_is_refused_at_the_start(self, url: str) -> None:
        """And not by the first payment."""
        with pytest.raises(ValidationError):
            HttpSettings.model_validate({"url": url})

    @pytest.mark.parametrize(
        "headers", [{"Content-Length": "5"}, {"transfer-encoding": "chunked"}, {"Host": "x"}, {"X": "a\r\nY: b"}]
    )
    def test_settings_can_t_write_where_a_request_ends(self, headers: dict[str, str]) -> None:
        """Refused when the configuration is read."""
        with pytest.raises(ValidationError):
            JsonCoreSettings.model_validate(
                {"protocol": "json", "url": "http://billing.test", "level": "A", "headers": headers}
            )
