"""Tick files: every time and price as written, every broken line by its number."""

import datetime as dt
import gzip
from pathlib import Path

import pytest
from algo_contract.trading_day import IST, microseconds
from algo_engine.tick_file import HEADER, FileTick, TickFileError, read_ticks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DATA = Path(__file__).resolve().parents[4] / "tests/data"


def at(clock: str) -> int:
    moment = dt.datetime.fromisoformat(f"2019-07-09T{clock}").replace(tzinfo=IST)
    return microseconds(moment)


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "ticks.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def line(time: str = "2019-07-09T09:15:00+05:30", price: str = "95.00", rest: str = "1,2") -> str:
    return f"{time},NSE,YESBANK,{price},{rest}"


def read(path: Path) -> list[FileTick]:
    return list(read_ticks(path))


def test_a_recorded_day__is_read_whole() -> None:
    ticks = read(DATA / "YESBANK-20190709.csv")

    assert len(ticks) == 1508
    assert ticks[0] == ("NSE", "YESBANK", at("09:15:00"), 9500, 432_525, 432_525)
    assert ticks == sorted(ticks, key=lambda tick: tick[2])


@pytest.mark.parametrize(
    "times",
    [
        ("2019-07-09T09:15:00+05:30", "2019-07-09T09:15:17+05:30"),
        ("2019-07-09T03:45:00Z", "2019-07-09T03:45:17Z"),
        ("2019-07-09T09:15:00+0530", "2019-07-09T09:15:17+0530"),
        ("2019-07-09T03:45:00+00", "2019-07-09T03:45:17+00"),
        ("20190709T091500+05:30", "20190709T091517+05:30"),
        ("2019-07-09 09:15:00+05:30", "2019-07-09 09:15:17+05:30"),
        ("2019-W28-2T09:15:00+05:30", "2019-W28-2T09:15:17+05:30"),
        ("2019-07-09T09:15:00+05:30:00", "2019-07-09T09:15:17+05:30:00"),
        ("2019-07-09T09:15:00.000000+05:30", "2019-07-09T09:15:17.000000+05:30"),
    ],
)
def test_every_way_to_write_a_time__tells_the_same_time(
    times: tuple[str, str], tmp_path: Path
) -> None:
    ticks = read(written(tmp_path, *(line(time) for time in times)))

    assert [tick[2] for tick in ticks] == [at("09:15:00"), at("09:15:17")]


WRITERS = (
    lambda moment: moment.isoformat(),
    lambda moment: moment.isoformat(timespec="microseconds"),
    lambda moment: moment.astimezone(dt.UTC).isoformat(),
    lambda moment: moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    lambda moment: moment.strftime("%Y%m%dT%H%M%S.%f%z"),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(WRITERS),
            st.integers(0, 120_000_000) | st.integers(0, 120).map(lambda s: s * 1_000_000),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_times_of_any_kind_in_any_order(tmp_path: Path, rows: list[tuple[object, int]]) -> None:
    first = dt.datetime(2019, 7, 9, 9, 15, tzinfo=IST)
    moments = [first + dt.timedelta(microseconds=us) for _, us in rows]
    texts = [writer(moment) for (writer, _), moment in zip(rows, moments, strict=True)]  # type: ignore[operator]

    ticks = read(written(tmp_path, *map(line, texts)))

    assert [tick[2] for tick in ticks] == [microseconds(moment) for moment in moments]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "2019-07-09T09:15:00+05:30,NSE,YESBANK,95.00,1",
        line() + ",7",
        line(time="09:15:00"),
        line(time="2019-07-09T09:15:00"),
        line(time="2019-07-09T09:61:00+05:30"),
        line(time="2019-07-09T09:15:60+05:30"),
        line(time="yesterday"),
        line(time=""),
        line(price="95.001"),
        line(price=""),
        line(price="NaN"),
        line(price="-Infinity"),
        line(price="1e999999999"),
        line(price="1E+999999"),
        line(price="ninety"),
        line(rest="1.5,2"),
        line(rest=",2"),
        line(rest="1,"),
        line(rest="-1,2"),
        line(rest="²,2"),
        "\x00",
    ],
)
def test_a_broken_line__is_named_by_its_number(broken: str, tmp_path: Path) -> None:
    path = written(tmp_path, line(), broken, line())
    if not broken:
        assert len(read(path)) == 2
        return

    with pytest.raises(TickFileError, match="line 3: "):
        read(path)


def test_a_broken_line_of_another_share__is_told_too(tmp_path: Path) -> None:
    path = written(tmp_path, line().replace("YESBANK", "OTHER").replace("95.00", "x"))

    with pytest.raises(TickFileError, match="line 2"):
        list(read_ticks(path, instrument=("NSE", "YESBANK")))


def test_other_instruments__are_passed_over(tmp_path: Path) -> None:
    lines = [line(), line().replace("NSE", "BSE"), line().replace("YESBANK", "YESBANKX")]

    assert len(list(read_ticks(written(tmp_path, *lines), instrument=("NSE", "YESBANK")))) == 1


def test_zero_and_negative_prices__are_read_as_they_are(tmp_path: Path) -> None:
    ticks = read(written(tmp_path, line(price="0"), line(price="-1.25")))

    assert [tick[3] for tick in ticks] == [0, -125]


@pytest.mark.parametrize("header", ["", "time,price", HEADER.upper(), HEADER + ",more"])
def test_a_wrong_header__is_told_with_the_right_one(header: str, tmp_path: Path) -> None:
    with pytest.raises(TickFileError, match=f"line 1: the header must be {HEADER}"):
        read(written(tmp_path, line(), header=header))


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    plain = (DATA / "YESBANK-20190709.csv").read_bytes()
    path = tmp_path / "ticks.csv"
    path.write_bytes(gzip.compress(plain))

    assert read(path) == read(DATA / "YESBANK-20190709.csv")


@pytest.mark.parametrize(
    "damage", ["cut", "flipped", "magic", "empty", "binary", "missing", "folder"]
)
def test_a_damaged_file__is_told_without_a_traceback(damage: str, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress((DATA / "YESBANK-20190709.csv").read_bytes()))
    path = tmp_path / "ticks.csv.gz"
    match damage:
        case "cut":
            path.write_bytes(packed[: len(packed) // 2])
        case "flipped":
            middle = len(packed) // 2
            packed[middle : middle + 200] = bytes(200)
            path.write_bytes(packed)
        case "magic":
            path.write_bytes(packed[:2])
        case "empty":
            path.write_bytes(b"")
        case "binary":
            path.write_bytes(bytes(range(256)) * 20)
        case "folder":
            path.mkdir()

    with pytest.raises(TickFileError, match=r"ticks\.csv\.gz"):
        read(path)


def test_a_byte_order_mark_and_windows_line_ends__are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{line()}\r\n".encode())

    assert len(read(path)) == 1
