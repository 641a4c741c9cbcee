package source

import (
	"database/sql/driver"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint"
)

func (m *mysqlServer) fault(err error, sent string) fault {
	switch {
	case errors.Is(err, errNoRows):
		return fault{offprint.BadQuery, "This answers no rows. A report's query is a SELECT, or a WITH that ends in one.", 0}
	case errors.Is(err, errManyAnswers):
		return fault{offprint.BadQuery, "This answers more than once. Give each answer a part of its own.", 0}
	}
	var refused *mysql.MySQLError
	switch {
	case errors.As(err, &refused):
	case lost(err, mysql.ErrInvalidConn, driver.ErrBadConn):
		return fault{code: offprint.SourceUnavailable}
	default:
		return fault{}
	}
	f := fault{code: mysqlCode(refused.Number, string(refused.SQLState[:]))}
	if f.code == offprint.BadQuery || f.code == offprint.PermissionDenied {
		f.text, f.at = mysqlSays(refused, sent)
	}
	return f
}

// manual is what a message says of where to look, and of a line that is not
// the file's.
var manual = regexp.MustCompile(`; check the manual that corresponds to your .*? for the right syntax to use (near '(?s:.*)') at line (\d+)$`)

// mysqlSays is the message for whoever wrote the query, and the byte, from 1,
// that it is about.
func mysqlSays(refused *mysql.MySQLError, sent string) (text string, at int) {
	text = refused.Message
	if refused.Number == duplicateColumn { // of our SELECT around the query
		return "The query has two columns named " + strings.TrimPrefix(text, "Duplicate column name ") + ". Give one of them another name with AS.", 0
	}
	if found := manual.FindStringSubmatch(text); found != nil {
		text = strings.TrimSuffix(text, found[0]) + " " + found[1]
		line, err := strconv.Atoi(found[2])
		if err == nil {
			at = nearAt(sent, strings.TrimSuffix(strings.TrimPrefix(found[1], "near '"), "'"), line)
		}
	} else {
		at = nameAt(sent, text)
	}
	return "MySQL says: " + strings.TrimSuffix(text, ".") + ".", at
}

// nearAt is where the rest of a statement begins whose beginning was quoted.
// It stands in the line that was named, or ends there.
func nearAt(sent, near string, line int) int {
	start := 0
	for range line - 1 {
		start += strings.IndexByte(sent[start:], '\n') + 1
	}
	switch i := strings.Index(sent[start:], near); {
	case near == "":
		return len(sent)
	case i >= 0:
		return start + i + 1
	}
	return strings.LastIndex(sent, near) + 1
}

var quotedName = regexp.MustCompile("'([^']+)'")

// nameAt is where the name stands that a message quotes first; 0 if it stands
// nowhere or more than once.
func nameAt(sent, message string) int {
	found := quotedName.FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	name := found[1][strings.LastIndexByte(found[1], '.')+1:]
	word, err := regexp.Compile(`(?i)\b` + regexp.QuoteMeta(name) + `\b`)
	if err != nil {
		return 0
	}
	if all := word.FindAllStringIndex(sent, 2); len(all) == 1 {
		return all[0][0] + 1
	}
	return 0
}

// mysqlCode sorts errors by what is to be done: by number where the SQLSTATE
// says nothing or too much, as for both servers' older errors.
func mysqlCode(number uint16, state string) offprint.Code {
	switch number {
	case 1044, 1045, 1130, 1142, 1143, 1227, 1345, 1370, 1698, 1820, 1862, 3118, 4151: // rights, and accounts that are locked
		return offprint.PermissionDenied
	case 1317, 1028, 3024, 1969, 1907: // not by us: a limit of the server, or somebody at it
		return offprint.SourceTimeout
	case 1153, // a value beyond max_allowed_packet
		1792, 1644, 1242, 1222, 1241, // a write, SIGNAL, subqueries of many rows or columns
		1111, 1210, 1221, 1235, 1267, 1270, 1271, 1295, 1356, 1366, 1367, 1411, 1449, 1525, 3065, 3636, 3685, 4074, 4078:
		return offprint.BadQuery
	case 1020, 1021, 1037, 1038, 1040, 1041, 1047, 1049, 1053, 1077, 1079, 1080, 1129, 1135, 1152, 1184, 1203, 1205, 1213, 1226,
		1412, 1836, 1927, 2006, 2013, 3168, 3169, 4031: // not there, down, going down, too busy, locked, or changed under us
		return offprint.SourceUnavailable
	}
	switch state[:2] {
	case "08", "40", "70":
		return offprint.SourceUnavailable
	case "28":
		return offprint.PermissionDenied
	case "42", "22", "21", "0A", "45":
		return offprint.BadQuery
	}
	return ""
}
