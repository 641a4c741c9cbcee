"""Prints what openpyxl reads in a workbook, as JSON."""
import datetime, json, re, sys

import openpyxl


def text(s):  # openpyxl leaves ECMA-376's ST_Xstring escapes as they are
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m.group(1), 16)), s)


def cell(c):
    v, kind = c.value, "null"
    if isinstance(v, bool):
        kind, v = "bool", str(v).lower()
    elif isinstance(v, (int, float)):
        kind, v = "number", repr(v)
    elif isinstance(v, (datetime.datetime, datetime.date)):
        kind, v = "time", v.isoformat()
    elif isinstance(v, datetime.time):
        kind, v = "time", v.isoformat()
    elif isinstance(v, str):
        kind, v = ("formula" if c.data_type == "f" else "text"), text(v)
    return {
        "kind": kind,
        "value": v or "",
        "format": c.number_format,
        "bold": bool(c.font.b),
        "fill": c.fill.fgColor.rgb if c.fill.fill_type else "",
        "top": c.border.top.style or "",
        "bottom": c.border.bottom.style or "",
        "align": c.alignment.horizontal or "",
        "indent": int(c.alignment.indent),
        "link": c.hyperlink.target if c.hyperlink else "",
        "underlined": c.font.u == "single" and c.font.color.rgb == "FF1F4FD8",
    }


def sheet(s, values):
    return {
        "name": s.title,
        "rows": [[cell(c) for c in row] for row in s.iter_rows()],
        "cached": [[str(c.value) for c in row] for row in values.iter_rows()],
        "freeze": s.freeze_panes or "",
        "filter": s.auto_filter.ref or "",
        "repeat": s.print_title_rows or "",
        "area": ",".join(s.print_area or []),
        "orientation": s.page_setup.orientation or "",
        "fitToWidth": bool(s.sheet_properties.pageSetUpPr and s.sheet_properties.pageSetUpPr.fitToPage),
        "footer": s.oddFooter.right.text or "",
        "rightToLeft": bool(s.sheet_view.rightToLeft),
        "widths": {k: d.width for k, d in s.column_dimensions.items()},
        "prompts": {str(v.sqref): v.promptTitle + ": " + v.prompt for v in s.data_validations.dataValidation},
        "tables": dict(s.tables.items()),
        "hidden": [k for k, d in s.column_dimensions.items() if d.hidden],
    }


book, values = openpyxl.load_workbook(sys.argv[1]), openpyxl.load_workbook(sys.argv[1], data_only=True)
json.dump(
    {
        "title": book.properties.title or "",
        "creator": book.properties.creator or "",
        "sheets": [sheet(book[n], values[n]) for n in book.sheetnames],
    },
    sys.stdout,
)
