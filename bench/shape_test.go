package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/offprint/offprint"
)

// A shape is what rows look like.
type shape struct {
	name   string
	fields []field
	nulls  int // of a hundred values, but for those of the first column
}

// A field is a column and how its values are made.
type field struct {
	offprint.Column
	value func(r *rand.Rand, i int) offprint.Value
}

var shapes = []shape{
	{name: "orders", fields: orders},
	{name: "narrow", fields: []field{orders[0], orders[3], orders[8]}},
	{name: "wide", fields: wide()},
	{name: "text", fields: append([]field{orders[0], orders[3]}, repeated(8, "remark", field{offprint.Column{Kind: offprint.Text}, remark})...)},
	{name: "numbers", fields: numbers()},
	{name: "nulls", fields: orders, nulls: 70},
}

var orders = []field{
	{offprint.Column{Name: "id", Title: "Id", Kind: offprint.Int}, func(_ *rand.Rand, i int) offprint.Value {
		return offprint.IntValue(int64(1_000_000 + i))
	}},
	{offprint.Column{Name: "day", Title: "Day", Kind: offprint.Date}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.DateValue(20_000 + r.Int64N(400))
	}},
	{offprint.Column{Name: "at", Title: "At", Kind: offprint.Timestamp}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.WallValue((20_000*86_400 + r.Int64N(400*86_400)) * 1e6)
	}},
	{offprint.Column{Name: "customer", Title: "Customer", Kind: offprint.Text}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.TextValue(fmt.Sprintf("Customer %d Trading Company", r.IntN(5000)))
	}},
	{offprint.Column{Name: "region", Title: "Region", Kind: offprint.Text}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.TextValue([]string{"North", "South", "East", "West"}[r.IntN(4)])
	}},
	{offprint.Column{Name: "sku", Title: "SKU", Kind: offprint.Text}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.TextValue(fmt.Sprintf("SKU-%06d", r.IntN(5000)*37))
	}},
	{offprint.Column{Name: "quantity", Title: "Quantity", Kind: offprint.Int}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.IntValue(1 + r.Int64N(20))
	}},
	{offprint.Column{Name: "price", Title: "Price", Kind: offprint.Decimal, As: offprint.AsMoney}, cents(50_000)},
	{offprint.Column{Name: "amount", Title: "Amount", Kind: offprint.Decimal, As: offprint.AsMoney}, cents(1_000_000)},
	{offprint.Column{Name: "paid", Title: "Paid", Kind: offprint.Bool}, func(r *rand.Rand, _ int) offprint.Value {
		return offprint.BoolValue(r.IntN(3) > 0)
	}},
}

func cents(most int64) func(*rand.Rand, int) offprint.Value {
	return func(r *rand.Rand, _ int) offprint.Value { return offprint.DecimalValue(r.Int64N(most), 2) }
}

// wide are the orders' columns ten times.
func wide() (fields []field) {
	for _, f := range orders {
		fields = append(fields, repeated(10, f.Name, f)...)
	}
	return fields
}

func numbers() []field {
	whole := func(r *rand.Rand, _ int) offprint.Value { return offprint.IntValue(r.Int64N(10_000_000)) }
	part := func(r *rand.Rand, _ int) offprint.Value { return offprint.FloatValue(r.Float64()) }
	return append(append(append([]field{orders[0]},
		repeated(3, "count", field{offprint.Column{Kind: offprint.Int}, whole})...),
		repeated(3, "amount", orders[8])...),
		repeated(3, "share", field{offprint.Column{Kind: offprint.Float}, part})...)
}

func repeated(times int, name string, f field) (fields []field) {
	for i := range times {
		f.Name = fmt.Sprintf("%s_%d", name, i+1)
		f.Title = f.Name
		fields = append(fields, f)
	}
	return fields
}

var words = strings.Fields("the delivery was late again because of Müller & Söhne but all parts are there, and paid; " +
	"please call back on Monday before 9:30 (ask for \"Jane\") or write <jane@example.com> as soon as the café in Orléans opens its doors")

func remark(r *rand.Rand, _ int) offprint.Value {
	said := make([]string, 4+r.IntN(16))
	for i := range said {
		said[i] = words[r.IntN(len(words))]
	}
	return offprint.TextValue(strings.Join(said, " "))
}

func (s shape) columns() []offprint.Column {
	all := make([]offprint.Column, len(s.fields))
	for i, f := range s.fields {
		all[i] = f.Column
	}
	return all
}

// rows is how many of them have about as many cells as so many orders.
func (s shape) rows(orders int) int { return min(orders, orders*10/len(s.fields)) }

// sample are rows as a source hands them out, which every writer writes over
// and over again: all pay the same for having them.
func (s shape) sample() []offprint.Row {
	r := rand.New(rand.NewPCG(7, 7))
	all := make([]offprint.Row, s.rows(10_000))
	for i := range all {
		all[i] = make(offprint.Row, len(s.fields))
		for j, f := range s.fields {
			if v := f.value(r, i); j == 0 || r.IntN(100) >= s.nulls {
				all[i][j] = v
			}
		}
	}
	return all
}
