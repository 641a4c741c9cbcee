package web

import (
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// What people read of a run that has not ended.
func TestSentencesOfWhatIsToCome(t *testing.T) {
	left := desk.Outlook{Left: 95 * time.Second}
	running := func(phase offprint.Phase, p offprint.Progress) offprint.Run {
		return offprint.Run{State: offprint.Running, Phase: phase, Progress: p}
	}
	for _, tt := range []struct {
		run   offprint.Run
		ahead desk.Outlook
		want  string
	}{
		{offprint.Run{State: offprint.Queued}, desk.Outlook{Position: 3, Starts: 20 * time.Second, Left: time.Minute}, "3rd in line, starts in about 20 s"},
		{offprint.Run{State: offprint.Queued}, desk.Outlook{Position: 22, Starts: 131 * time.Second}, "22nd in line, starts in about 2 min"},
		{offprint.Run{State: offprint.Queued}, desk.Outlook{Position: 2}, "2nd in line"},
		{offprint.Run{State: offprint.Queued}, desk.Outlook{Position: 1}, "Next in line"},
		{running(offprint.Querying, offprint.Progress{}), desk.Outlook{}, "Waiting for the first row"},
		{running(offprint.Querying, offprint.Progress{RowsTotal: 100}), left, "Waiting for the first row · 1 min 35 s left"},
		{running(offprint.Writing, offprint.Progress{Rows: 412_000, RowsTotal: 1_204_310}), left, "412,000 of about 1.2 million rows · 1 min 35 s left"},
		{running(offprint.Writing, offprint.Progress{Rows: 412_000, RowsTotal: 1_204_310, Exact: true}), left, "412,000 of 1,204,310 rows · 1 min 35 s left"},
		{running(offprint.Writing, offprint.Progress{Rows: 412_000}), desk.Outlook{}, "412,000 rows so far"},
		{running(offprint.Uploading, offprint.Progress{Rows: 412_000, RowsTotal: 412_000, Exact: true}), left, "412,000 rows · storing the file · 1 min 35 s left"},
		{running(offprint.Uploading, offprint.Progress{Exact: true}), desk.Outlook{}, "0 rows · storing the file"},
	} {
		said := ""
		for _, p := range new(Site).sentence(&tt.run, tt.ahead, newReader("en", time.Time{})) {
			said += p.Text
		}
		if said != tt.want {
			t.Errorf("%q, want %q", said, tt.want)
		}
	}
}
