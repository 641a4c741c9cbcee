package offprint

import (
	"cmp"
	"math"
	"math/big"
)

// A Total is a word for what stands below a column.
type Total string

const (
	NoTotal Total = ""
	Sum     Total = "sum"
	Average Total = "avg"
	Least   Total = "min"
	Most    Total = "max"
	Count   Total = "count" // of what is not null
	Last    Total = "last"  // the last that is not null, as of a running balance
)

// TotalWords are all of them.
var TotalWords = []Total{Sum, Average, Least, Most, Count, Last}

// Totals adds up the columns of a table row by row. Sums and averages of
// integers and decimals are exact. Its memory does not grow with the rows.
type Totals struct {
	columns []Column
	sums    []sum
}

type sum struct {
	count    int64
	small    int64 // of values at scale, as long as it fits
	scale    int
	big      *big.Rat // of what did not fit
	float    float64
	lost     float64 // Kahan's compensation
	floats   bool
	best     Value
	currency string
	mixed    bool
	money    int // where the currency's column is, or -1
}

// NewTotals begins the totals of a table with these columns.
func NewTotals(columns []Column) *Totals {
	t := &Totals{columns: columns, sums: make([]sum, len(columns))}
	for i, c := range columns {
		t.sums[i].money = -1
		for j, d := range columns {
			if c.Currency != "" && d.Name == c.Currency {
				t.sums[i].money = j
			}
		}
	}
	return t
}

// reset begins anew.
func (t *Totals) reset() {
	for i := range t.sums {
		t.sums[i] = sum{money: t.sums[i].money}
	}
}

// Any tells whether a column has a total at all.
func (t *Totals) Any() bool {
	for _, c := range t.columns {
		if c.Total != NoTotal {
			return true
		}
	}
	return false
}

// Add counts a row in.
func (t *Totals) Add(row Row) {
	for i := range t.columns {
		if t.columns[i].Total == NoTotal || row[i].IsNull() {
			continue
		}
		s := &t.sums[i]
		if s.money >= 0 {
			s.note(row[s.money].String())
		}
		s.add(t.columns[i].Total, row[i])
	}
}

func (s *sum) note(currency string) {
	if s.count == 0 {
		s.currency = currency
	}
	s.mixed = s.mixed || currency != s.currency
}

func (s *sum) add(total Total, v Value) {
	s.count++
	switch total {
	case Sum, Average:
		s.sum(v)
	case Least:
		if s.count == 1 || Compare(v, s.best) < 0 {
			s.best = v.Clone()
		}
	case Most:
		if s.count == 1 || Compare(v, s.best) > 0 {
			s.best = v.Clone()
		}
	case Last:
		s.best = v.Clone()
	}
}

func (s *sum) sum(v Value) {
	switch v.Kind() {
	case Int:
		s.exact(v.Int(), 0)
	case Decimal:
		if unscaled, scale, short := v.Unscaled(); short {
			s.exact(unscaled, scale)
		} else {
			s.large(v.rat(), scaleOf(v.String()))
		}
	case Float: // Kahan: the rounding of a million additions does not add up
		s.floats = true
		y := v.Float() - s.lost
		sum := s.float + y
		s.lost = (sum - s.float) - y
		s.float = sum
		if math.IsInf(sum, 0) { // Inf - Inf is no compensation
			s.lost = 0
		}
	default:
		s.count--
	}
}

// exact adds n/10^scale in 64 bits as long as that holds.
func (s *sum) exact(n int64, scale int) {
	if scale > s.scale {
		grown, ok := times10(s.small, scale-s.scale)
		if !ok {
			s.large(ratio(n, scale), scale)
			return
		}
		s.small, s.scale = grown, scale
	}
	n2, ok := times10(n, s.scale-scale)
	sum := s.small + n2
	overflow := (s.small^sum)&(n2^sum) < 0
	if !ok || overflow {
		s.large(ratio(n, scale), scale)
		return
	}
	s.small = sum
}

func (s *sum) large(r *big.Rat, scale int) {
	if s.big == nil {
		s.big = new(big.Rat)
	}
	s.big.Add(s.big, ratio(s.small, s.scale))
	s.big.Add(s.big, r)
	s.small, s.scale = 0, max(s.scale, scale)
}

func times10(n int64, power int) (int64, bool) {
	for range power {
		if n > math.MaxInt64/10 || n < math.MinInt64/10 {
			return 0, false
		}
		n *= 10
	}
	return n, true
}

func ratio(n int64, scale int) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(n), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
}

func scaleOf(plain string) int {
	for i := range len(plain) {
		if plain[i] == '.' {
			return len(plain) - i - 1
		}
	}
	return 0
}

// Mixed tells of which columns there is no total because they hold more than
// one currency, by their places.
func (t *Totals) Mixed() (mixed []int) {
	for i := range t.sums {
		if t.sums[i].mixed {
			mixed = append(mixed, i)
		}
	}
	return mixed
}

// Values are the totals so far, one a column: null where there is none, and
// null for money in more than one currency, of which only the count is known.
func (t *Totals) Values() []Value {
	values := make([]Value, len(t.columns))
	for i, c := range t.columns {
		if s := &t.sums[i]; c.Total != NoTotal && (!s.mixed || c.Total == Count) {
			values[i] = s.value(c.Total)
		}
	}
	return values
}

func (s *sum) value(total Total) Value {
	switch total {
	case Count:
		return IntValue(s.count)
	case Least, Most, Last:
		return s.best
	}
	if s.count == 0 {
		return Value{}
	}
	if s.floats {
		f := s.float + s.rat().float()
		if total == Average {
			f /= float64(s.count)
		}
		return FloatValue(f)
	}
	if s.big == nil && total == Sum { // as most are, also of groups of a few rows
		return exact(s.small, s.scale)
	}
	r, scale := s.rat().Rat, s.scale
	if total == Average { // two digits more than what it is the average of, but six at least
		r.Quo(r, new(big.Rat).SetInt64(s.count))
		scale = max(6, scale+2)
	}
	if scale == 0 && r.Num().IsInt64() {
		return IntValue(r.Num().Int64())
	}
	v, _ := ParseDecimal(r.FloatString(scale))
	return v
}

func exact(n int64, scale int) Value {
	if scale == 0 {
		return IntValue(n)
	}
	return DecimalValue(n, scale)
}

type rat struct{ *big.Rat }

func (r rat) float() float64 { f, _ := r.Float64(); return f }

func (s *sum) rat() rat {
	r := ratio(s.small, s.scale)
	if s.big != nil {
		r.Add(r, s.big)
	}
	return rat{r}
}

// Compare orders two values: null first, numbers by their value, texts and
// bytes by their bytes, days and times by the calendar. Values of different
// sorts are ordered by their sort.
func Compare(a, b Value) int {
	if x, y := a.sort(), b.sort(); x != y {
		return x - y
	}
	switch a.Kind() {
	case Null:
		return 0
	case Float:
		if b.Kind() == Float {
			return cmp.Compare(a.Float(), b.Float())
		}
		return a.rat().Cmp(b.rat())
	case Int, Decimal:
		if a.Kind() == b.Kind() && a.text == "" && b.text == "" && a.scale == b.scale {
			return cmp.Compare(a.num, b.num)
		}
		return a.rat().Cmp(b.rat())
	case Text, Bytes:
		return cmp.Compare(a.text, b.text)
	}
	return cmp.Compare(a.num, b.num)
}

func (v Value) sort() int {
	switch v.kind {
	case Int, Float, Decimal:
		return int(Int)
	}
	return int(v.kind)
}
