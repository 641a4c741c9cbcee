package source

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint"
)

func TestErrorsOfMySQLAreSortedByWhatIsToBeDone(t *testing.T) {
	for _, tt := range []struct {
		number uint16
		state  string
		want   offprint.Code
	}{
		{1045, "28000", offprint.PermissionDenied},
		{1044, "42000", offprint.PermissionDenied},
		{1142, "42000", offprint.PermissionDenied},
		{1143, "42000", offprint.PermissionDenied},
		{1227, "42000", offprint.PermissionDenied},
		{1370, "42000", offprint.PermissionDenied},
		{1698, "28000", offprint.PermissionDenied},
		{1040, "08004", offprint.SourceUnavailable},
		{1047, "08S01", offprint.SourceUnavailable},
		{1049, "42000", offprint.SourceUnavailable},
		{1053, "08S01", offprint.SourceUnavailable},
		{1203, "42000", offprint.SourceUnavailable},
		{1205, "HY000", offprint.SourceUnavailable},
		{1213, "40001", offprint.SourceUnavailable},
		{1226, "42000", offprint.SourceUnavailable},
		{1412, "HY000", offprint.SourceUnavailable},
		{1927, "70100", offprint.SourceUnavailable},
		{2006, "HY000", offprint.SourceUnavailable},
		{2013, "HY000", offprint.SourceUnavailable},
		{1317, "70100", offprint.SourceTimeout},
		{1969, "70100", offprint.SourceTimeout},
		{3024, "HY000", offprint.SourceTimeout},
		{1054, "42S22", offprint.BadQuery},
		{1064, "42000", offprint.BadQuery},
		{1146, "42S02", offprint.BadQuery},
		{1153, "08S01", offprint.BadQuery},
		{1242, "21000", offprint.BadQuery},
		{1267, "HY000", offprint.BadQuery},
		{1292, "22007", offprint.BadQuery},
		{1644, "45000", offprint.BadQuery},
		{1690, "22003", offprint.BadQuery},
		{1792, "25006", offprint.BadQuery},
		{1105, "HY000", ""},
		{1105, "", ""},
	} {
		refused := &mysql.MySQLError{Number: tt.number, Message: "x"}
		copy(refused.SQLState[:], tt.state)
		m := &mysqlServer{}
		if got := m.fault(fmt.Errorf("%w: %w", errNoConnection, refused), "").code; got != tt.want {
			t.Errorf("%d %s: %s, want %s", tt.number, tt.state, got, tt.want)
		}
	}
}

func TestWhatIsNotOfMySQLIsAnOutageOrOurs(t *testing.T) {
	m := &mysqlServer{}
	for err, want := range map[error]offprint.Code{
		mysql.ErrInvalidConn: offprint.SourceUnavailable, driver.ErrBadConn: offprint.SourceUnavailable, errNoConnection: offprint.SourceUnavailable,
		mysql.ErrPktSync: "", errors.New("x"): "", errNoRows: offprint.BadQuery,
	} {
		if got := m.fault(err, "").code; got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestAnErrorOfMySQLPointsIntoTheStatement(t *testing.T) {
	const manual = "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near '%s' at line %d"
	sent := "SELECT x\nFROM 'a'\n WHERE x = 'a' x"
	for _, tt := range []struct {
		message, text string
		at            int
	}{
		{fmt.Sprintf(manual, "'a' x", 3), "MySQL says: You have an error in your SQL syntax near ''a' x'.", 30},
		{fmt.Sprintf(manual, "'a'\n WHERE x = 'a' x", 2), "MySQL says: You have an error in your SQL syntax near ''a'\n WHERE x = 'a' x'.", 15},
		{fmt.Sprintf(manual, "", 3), "MySQL says: You have an error in your SQL syntax near ''.", len(sent)},
		{fmt.Sprintf(manual, "FROM", 9), "MySQL says: You have an error in your SQL syntax near 'FROM'.", 10},
		{"Unknown column 'd.WHERE' in 'field list'", "MySQL says: Unknown column 'd.WHERE' in 'field list'.", 20},
		{"Unknown column 'x' in 'field list'", "MySQL says: Unknown column 'x' in 'field list'.", 0},
		{"No.", "MySQL says: No.", 0},
	} {
		text, at := mysqlSays(&mysql.MySQLError{Number: 1064, Message: tt.message}, sent)
		if text != tt.text || at != tt.at {
			t.Errorf("%s\n got %d %s\nwant %d %s", tt.message, at, text, tt.at, tt.text)
		}
	}
}
