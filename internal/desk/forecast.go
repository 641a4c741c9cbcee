package desk

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A forecast says how many rows a file will have and how long it still takes,
// while it is made. It expects each part to go like those of the runs before it
// on average: the same wait for the first row, the same course of the rows. How
// much slower or faster they came of late, it expects of the rest.
// Without any run before it, it has the source's word for the rows and expects
// them to come as they did of late.
type forecast struct {
	past  []ledger.Past
	like  []ledger.Past // the middle ones; nil: there are none
	parts int           // of the document
	most  int64         // rows of the file; 0: no limit

	paces  []ledger.Pace // of the parts so far, the present one last
	before int64         // rows of the parts before it
	whole  int64         // rows that it is expected to have; -1: not known
	raised int           // how often it had more

	from  time.Time // since when the present phase goes on
	due   time.Time // when it is expected to end; zero: not known
	seen  time.Time // when the rows were looked at last
	least int64     // how many the present part had then

	// What the rows of late took in the past, and what they took, in seconds.
	// Of a part without a past the first is their number.
	usual, lately float64
	slowness      float64 // lately by usual; 1 as long as that is not known
}

// newForecast expects what runs came to that were asked for the same, else all.
func newForecast(past []ledger.Past, wanted ledger.Wanted, most int64) *forecast {
	f := &forecast{past: slices.Clone(alike(past, wanted)), most: most, parts: 1, slowness: 1}
	for i := range f.past {
		if p := &f.past[i]; p.Paces == nil { // of an older release
			p.Paces = []ledger.Pace{{Took: p.Took, Rows: p.Rows}}
		}
	}
	f.like = middle(f.past)
	return f
}

// few are as many of the last runs as say what is usual.
const few = 7

// alike are the last runs that were asked for the same, as it was resolved or
// as it came; without any, the last of all.
func alike(past []ledger.Past, wanted ledger.Wanted) []ledger.Past {
	var same []ledger.Past
	for _, p := range past {
		if p.Params == wanted.Params || p.Sent != "" && p.Sent == wanted.Sent {
			same = append(same, p)
		}
	}
	if same == nil {
		same = past
	}
	return same[:min(few, len(same))]
}

// middle are the three runs that took neither long nor short, or as many as
// there are: more than one, because a busy machine leaves its traces in each.
func middle(past []ledger.Past) []ledger.Past {
	sorted := slices.SortedFunc(slices.Values(past), func(a, b ledger.Past) int { return cmp.Compare(a.Took, b.Took) })
	if aside := (len(sorted) - 3) / 2; aside > 0 {
		sorted = sorted[aside : aside+3]
	}
	return sorted
}

// mean is 0 of nothing.
func mean[T int64 | float64 | time.Duration](past []ledger.Past, of func(ledger.Past) T) (sum T) {
	for _, p := range past {
		sum += of(p)
	}
	return sum / T(max(1, len(past)))
}

// opened says how many parts will come. Runs of another number of parts went
// another way.
func (f *forecast) opened(parts int) {
	f.parts = max(1, parts)
	f.past = slices.DeleteFunc(f.past, func(p ledger.Past) bool { return len(p.Paces) != f.parts })
	f.like = middle(f.past)
}

// usually is how that part went before, but for its marks; the zero Pace, where
// that is not known.
func (f *forecast) usually(part int) ledger.Pace {
	return ledger.Pace{
		Asked: mean(f.like, func(p ledger.Past) time.Duration { return paceOf(p, part).Asked }),
		Took:  mean(f.like, func(p ledger.Past) time.Duration { return paceOf(p, part).Took }),
		Rows:  mean(f.like, func(p ledger.Past) int64 { return paceOf(p, part).Rows }),
	}
}

// paceOf is that of a part, which may not have been there before the number of
// parts is known.
func paceOf(p ledger.Past, part int) ledger.Pace {
	if part >= len(p.Paces) {
		return ledger.Pace{}
	}
	return p.Paces[part]
}

func (f *forecast) present() (part int, pace *ledger.Pace, was ledger.Pace) {
	part = len(f.paces) - 1
	return part, &f.paces[part], f.usually(part)
}

// asked begins the wait for the first row of the next part.
func (f *forecast) asked(now time.Time) {
	if n := len(f.paces); n > 0 {
		f.before += f.paces[n-1].Rows
	}
	f.paces = append(f.paces, ledger.Pace{})
	f.from, f.due, f.least, f.raised, f.whole = now, time.Time{}, 0, 0, -1
	if len(f.like) > 0 {
		_, _, was := f.present()
		f.due, f.whole = now.Add(was.Asked), f.within(was.Rows)
	}
}

// within is as many of the rows as the limit lets through.
func (f *forecast) within(rows int64) int64 {
	if f.most == 0 {
		return rows
	}
	return min(rows, f.most-f.before)
}

// said takes the source's word for the rows of the present part, put right by
// how wrong it was before. 0 says nothing.
func (f *forecast) said(rows int64) {
	if rows <= 0 {
		return
	}
	part, pace, _ := f.present()
	pace.Said = rows
	var wrong []float64
	for _, p := range f.past {
		if before := p.Paces[part]; before.Said > 0 {
			wrong = append(wrong, float64(before.Rows)/float64(before.Said))
		}
	}
	if slices.Sort(wrong); wrong != nil {
		rows = int64(float64(rows) * wrong[len(wrong)/2])
	}
	f.whole = f.within(rows)
}

// lookEvery is how close together two looks at the rows tell something new.
const lookEvery = 25 * time.Millisecond

// counted says how many rows the present part has, from the first one on.
func (f *forecast) counted(rows int64, now time.Time) {
	_, pace, was := f.present()
	f.raise(rows)
	switch {
	case pace.Rows == 0:
		pace.Asked = now.Sub(f.from)
		f.from, f.seen, f.least = now, now, rows
		f.usual = f.scale(was) * was.Took.Seconds() / 8 // what is usual weighs as much as an eighth of it
		f.lately = f.usual * f.slowness
	case now.Sub(f.seen) < lookEvery:
		pace.Rows = rows
		return
	default:
		pace.Took = now.Sub(f.from)
		mark(pace, rows-1) // a wait for this row begins after the one before, which was not looked at
		f.heed(rows, now, was)
	}
	pace.Rows = rows
	f.due = time.Time{}
	if f.whole >= 0 && f.lately > 0 {
		left := max(0, f.at(f.whole, was)-f.at(rows, was)) * f.lately / f.usual
		f.due = now.Add(seconds(left))
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// heed notes how long the rows took since the last look, and lets what is long
// ago fade.
func (f *forecast) heed(rows int64, now time.Time, was ledger.Pace) {
	took := now.Sub(f.seen).Seconds()
	memory := max(1, now.Sub(f.from).Seconds()/4)
	if was.Took > 0 { // what is left to explain is noise, mostly
		memory = max(2, now.Sub(f.from).Seconds()/2, f.scale(was)*was.Took.Seconds()/4)
	}
	fade := math.Exp(-took / memory)
	f.usual = f.usual*fade + f.at(rows, was) - f.at(f.least, was)
	f.lately = f.lately*fade + took
	if was.Took > 0 && f.usual > 0 {
		f.slowness = f.lately / f.usual
	}
	f.seen, f.least = now, rows
}

// raise expects more rows where there are more than expected: first a few, but
// the more, the more often that was too few.
func (f *forecast) raise(rows int64) {
	if f.whole >= 0 && rows > f.whole {
		f.whole = f.within(rows + 1 + rows>>max(1, 5-2*f.raised))
		f.raised++
	}
}

// scale is how much larger the present part is than that was.
func (f *forecast) scale(was ledger.Pace) float64 {
	if was.Rows == 0 || f.whole <= 0 {
		return 1
	}
	return float64(f.whole) / float64(was.Rows)
}

// at is how many seconds after the first the present part would have had so
// many rows in the past; without one it is their number.
func (f *forecast) at(rows int64, was ledger.Pace) float64 {
	if was.Took == 0 || was.Rows == 0 {
		return float64(rows)
	}
	part, _, _ := f.present()
	share := float64(rows) / (f.scale(was) * float64(was.Rows))
	return f.scale(was) * mean(f.like, func(p ledger.Past) float64 {
		pace := paceOf(p, part)
		return reached(pace, share*float64(pace.Rows)).Seconds()
	})
}

// reached is how long after its first row a part had so many.
func reached(p ledger.Pace, rows float64) time.Duration {
	i := sort.Search(len(p.Marks), func(i int) bool { return float64(p.Marks[i]) >= rows })
	from, to, took := 0.0, float64(p.Rows), p.Took-p.Every*time.Duration(len(p.Marks)) // beyond the last mark
	if i > 0 {
		from = float64(p.Marks[i-1])
	}
	if i < len(p.Marks) {
		to, took = float64(p.Marks[i]), p.Every
	}
	share := min(1, (rows-from)/max(1, to-from))
	return p.Every*time.Duration(i) + time.Duration(share*float64(took))
}

// ended says that the present part has no more rows, and begins what follows:
// the next part, or the closing of the document.
func (f *forecast) ended(rows int64, now time.Time) {
	part, pace, _ := f.present()
	if pace.Rows == 0 {
		pace.Asked = now.Sub(f.from)
	} else {
		pace.Took = now.Sub(f.from)
	}
	pace.Rows, f.whole = rows, rows
	if part+1 < f.parts {
		f.asked(now)
		return
	}
	f.due = time.Time{}
	if len(f.like) > 0 {
		f.due = now.Add(f.closing())
	}
}

// closing is how long a document of so many rows takes to be closed and stored.
func (f *forecast) closing() time.Duration {
	rows := mean(f.like, func(p ledger.Past) int64 { return p.Rows })
	if rows == 0 {
		return 0
	}
	took := mean(f.like, func(p ledger.Past) time.Duration {
		for _, pace := range p.Paces {
			p.Took -= pace.Asked + pace.Took
		}
		return max(0, p.Took)
	})
	return seconds(took.Seconds() * f.slowness * float64(f.total()) / float64(rows))
}

// total is how many rows the file will have; 0 as long as that is not known.
func (f *forecast) total() int64 {
	if f.whole < 0 || len(f.like) == 0 && len(f.paces) < f.parts {
		return 0
	}
	total := f.before + f.whole
	for part := len(f.paces); part < f.parts; part++ {
		total += f.usually(part).Rows
	}
	if f.most > 0 {
		total = min(total, f.most)
	}
	return total
}

// told is the forecast as it is told by somebody whose clock says now.
func (f *forecast) told(phase offprint.Phase, now time.Time) offprint.Forecast {
	if f.due.IsZero() || len(f.like) == 0 && len(f.paces) < f.parts {
		return offprint.Forecast{}
	}
	told := offprint.Forecast{Due: now.Add(time.Until(f.due))}
	if len(f.like) == 0 || phase == offprint.Uploading {
		return told
	}
	if _, _, was := f.present(); phase == offprint.Querying {
		told.Then = seconds(f.scale(was) * was.Took.Seconds() * f.slowness)
	}
	for part := len(f.paces); part < f.parts; part++ {
		was := f.usually(part)
		told.Then += was.Asked + seconds(was.Took.Seconds()*f.slowness)
	}
	told.Then += f.closing()
	return told
}

// mostMarks of a part are kept; then every second one is dropped.
const mostMarks = 32

// mark notes that there were so many rows at each mark since the last.
func mark(p *ledger.Pace, rows int64) {
	if p.Every == 0 {
		p.Every = lookEvery
	}
	for p.Took >= p.Every*time.Duration(len(p.Marks)+1) {
		if p.Marks = append(p.Marks, rows); len(p.Marks) < mostMarks {
			continue
		}
		for i := range mostMarks / 2 {
			p.Marks[i] = p.Marks[2*i+1]
		}
		p.Marks, p.Every = p.Marks[:mostMarks/2], 2*p.Every
	}
}
