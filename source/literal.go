package source

import (
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// SQL is the request as text that can be pasted into psql or sqlite3, or of a
// service into a shell: the parameters stand in it as literals. The report
// itself never pastes them.
func (d *Definition) SQL(req offprint.Request) (string, error) {
	if h, ok := d.db.engine.(*service); ok {
		return h.curls(d, req)
	}
	var all []string
	for _, p := range d.parts {
		text, _, err := p.query.render(req.Params.Has, func(x piece) (string, error) {
			value, err := x.value(req)
			if err != nil {
				return "", err
			}
			return d.db.engine.literal(value, x), nil
		})
		if err != nil {
			return "", err
		}
		all = append(all, strings.TrimRight(strings.TrimSpace(text), "; \n")+"\n;\n")
	}
	as, err := d.asUser.assume(req.Who)
	if err != nil {
		return "", err
	}
	text := d.db.engine.prologue(zoneOf(req)) + assumedSQL(as) + strings.Join(all, "\n")
	if as != nil {
		text = "BEGIN READ ONLY;\n" + text + "\nROLLBACK;\n"
	}
	return text, nil
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// signed puts a negative number in brackets, for "--1" is a comment.
func signed(number string) string {
	if strings.HasPrefix(number, "-") {
		return "(" + number + ")"
	}
	return number
}

func literals(list []any, one func(any) string) string {
	if len(list) == 0 {
		return "NULL"
	}
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = one(v)
	}
	return strings.Join(all, ", ")
}

func postgresLiteral(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case int64:
		return signed(strconv.FormatInt(v, 10))
	case offprint.Value:
		return signed(v.String())
	case bool:
		return strconv.FormatBool(v)
	case offprint.Day:
		return "DATE " + quoted(v.String())
	case time.Time:
		return "TIMESTAMPTZ " + quoted(v.UTC().Format(time.RFC3339Nano))
	}
	return quoted(value.(string))
}

func sqliteLiteral(value any, zone *time.Location) string {
	switch v := sqliteArg(value, zone).(type) {
	case nil:
		return "NULL"
	case int64:
		return signed(strconv.FormatInt(v, 10))
	case float64:
		return signed(strconv.FormatFloat(v, 'g', -1, 64))
	default:
		return quoted(v.(string))
	}
}
