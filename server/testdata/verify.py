"""Holds report files against the database they were made from.

    verify.py DATABASE ZONE < {"title": …, "sql": …, "kinds": {column: kind}, "titles": {column: title}, "files": {format: path}}

It shares no code with Offprint: sqlite3, csv, json, openpyxl and pdftotext are
the other side. kinds: text, id, int, float, decimal, bool, date, stamp (UTC).
decimals: of the columns that a PDF rounds.
Prints what differs, one line each, and the number of rows at the end.
"""
import csv, datetime, decimal, json, re, sqlite3, subprocess, sys, unicodedata, zoneinfo
import openpyxl
from openpyxl.utils.escape import unescape

database, zone = sys.argv[1], zoneinfo.ZoneInfo(sys.argv[2])
task = json.load(sys.stdin)
kinds, wrong = task["kinds"], 0


def differs(file, row, column, got, want):
    global wrong
    wrong += 1
    if wrong <= 20:
        print(f"{file}: row {row}, {column}: {got!r}, the database has {want!r}")


connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
cursor = connection.execute(task["sql"])
columns = [d[0] for d in cursor.description]
rows = cursor.fetchall()
assert set(columns) == set(kinds), (columns, kinds)
titles = [task["titles"].get(c, c) for c in columns]


def local(stamp):
    at = datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return at.astimezone(zone)


def plain(kind, v):
    """The value in its plain form, as the text formats have it."""
    if v is None:
        return ""
    if kind == "bool":
        return "true" if v else "false"
    if kind == "stamp":
        at = local(v).isoformat()
        return at[:-6] + "Z" if at.endswith("+00:00") else at
    if kind == "float":
        return repr(v)[:-2] if repr(v).endswith(".0") else repr(v)
    return str(v)


def escaped(kind, text):
    return "'" + text if kind in ("text", "id") and text[:1] in tuple("=+-@\t\r\n\0＝＋－＠") and text else text


if path := task["files"].get("csv"):
    with open(path, newline="", encoding="utf-8-sig") as f:
        got = list(csv.reader(f))
    assert got[0] == titles, (got[0], titles)
    assert len(got) - 1 == len(rows), ("csv", len(got) - 1, len(rows))
    for i, (g, row) in enumerate(zip(got[1:], rows), 1):
        for c, a, v in zip(columns, g, row):
            if a != escaped(kinds[c], plain(kinds[c], v)):
                differs("csv", i, c, a, escaped(kinds[c], plain(kinds[c], v)))

if path := task["files"].get("jsonl"):
    with open(path, encoding="utf-8", newline="\n") as f:
        got = [json.loads(line, parse_float=decimal.Decimal) for line in f]
    assert len(got) == len(rows), ("jsonl", len(got), len(rows))
    for i, (g, row) in enumerate(zip(got, rows), 1):
        assert list(g) == columns, (list(g), columns)
        for c, v in zip(columns, row):
            kind, want = kinds[c], v
            if v is not None and kind == "decimal":
                want = decimal.Decimal(str(v))
            elif v is not None and kind == "float":
                want = decimal.Decimal(repr(v))
            elif v is not None and kind == "bool":
                want = bool(v)
            elif v is not None and kind == "stamp":
                want = plain(kind, v)
            elif v is not None and kind in ("text", "id"):
                want = str(v)
            if g[c] != want or type(g[c]) is bool and not type(want) is bool:
                differs("jsonl", i, c, g[c], want)

if path := task["files"].get("xlsx"):
    book = openpyxl.load_workbook(path, read_only=False)
    sheet = book.worksheets[0]
    got = list(sheet.iter_rows(values_only=True))
    assert list(got[0]) == titles, (got[0], titles)
    assert len(got) - 1 >= len(rows), ("xlsx", len(got) - 1, len(rows))
    for i, (g, row) in enumerate(zip(got[1:], rows), 1):
        for c, a, v in zip(columns, g, row):
            kind, want = kinds[c], v
            a = unescape(a) if isinstance(a, str) else a
            if kind in ("text", "id"):
                want = None if v is None else str(v)
                a = a if a is not None or want != "" else ""  # openpyxl has no empty text
            elif v is not None and kind == "decimal":
                exact, shown = decimal.Decimal(str(v)), decimal.Decimal(repr(a)) if isinstance(a, (int, float)) else None
                a, want = (shown, exact) if shown is None or shown != exact else (v, v)
            elif v is not None and kind == "float":
                a, want = (float(f"{a:.15g}"), float(f"{v:.15g}")) if isinstance(a, (int, float)) else (a, v)
            elif v is not None and kind == "bool":
                want = bool(v)
            elif v is not None and kind == "stamp":
                want = local(v).replace(tzinfo=None)
            elif v is not None and kind == "date":
                day = datetime.date.fromisoformat(v)
                want = str(v) if day < datetime.date(1900, 3, 1) else datetime.datetime(day.year, day.month, day.day)
            if a != want:
                differs("xlsx", i, c, a, want)

if path := task["files"].get("pdf"):
    text = subprocess.run(["pdftotext", "-raw", path, "-"], capture_output=True, check=True).stdout.decode()

    def bare(s):  # what a page keeps of a text: no white space, no controls, no marks of direction
        s = re.sub(r"[\s\x00-\x1f\x7f]", "", s)
        return "".join(ch for ch in s if unicodedata.category(ch) != "Cf" and not unicodedata.category(ch) == "Zs")

    # A cell that goes on overleaf has a footer and a repeated header inside.
    between = re.escape(bare(task["title"])) + r"·\d{4}-\d\d-\d\d\d\d:\d\dPage\d+of\d+" + re.escape(bare("".join(titles)))
    page, at = re.sub(between, "", bare(text)), 0
    for i, row in enumerate(rows, 1):
        for c, v in zip(columns, row):
            want = plain(kinds[c], v)
            if kinds[c] == "stamp" and v is not None:
                want = local(v).strftime("%Y-%m-%d %H:%M:%S")
            if c in task["decimals"] and v is not None:
                want = str(decimal.Decimal(want).quantize(decimal.Decimal(1).scaleb(-task["decimals"][c]), decimal.ROUND_HALF_UP))
            want = bare(want)
            if not want:
                continue
            rtl = any(unicodedata.bidirectional(ch) in ("R", "AL") for ch in want)
            window = page[at : at + 20000]
            if rtl:  # order inside a cell is the reader's
                found = -1
                for ch in set(unicodedata.normalize("NFKD", want)):
                    if ch not in unicodedata.normalize("NFKD", window):
                        differs("pdf", i, c, window[:60], want)
                        break
                continue
            found = window.find(want)
            if found < 0:
                differs("pdf", i, c, window[:60], want)
            else:
                at += found + len(want)

print(f"{wrong} differences in {len(rows)} rows")
