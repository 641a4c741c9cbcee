package xlsx

import "testing"

func TestATablesNameIsLegalAndItsOwn(t *testing.T) {
	names := tables{}
	for _, c := range []struct{ part, want string }{
		{"orders", "orders"},
		{"orders", "orders_2"},
		{"orders_2", "orders_2_2"},
		{"Orders", "Orders_3"},
		{"open-items", "open_items"},
		{"q1", "q1_"},
		{"q1", "q1_2"},
		{"r", "r_"},
		{"c", "c_"},
		{"r1c1", "r1c1_"},
		{"rc", "rc_"},
		{"xfd1048576", "xfd1048576_"},
		{"abcd1", "abcd1"},
		{"true", "true_"},
		{"2026", "_2026"},
		{"", "_"},
		{"été", "_t_"},
	} {
		if got := names.add(c.part); got != c.want {
			t.Errorf("the table of %q is named %q, not %q", c.part, got, c.want)
		}
	}
}

func TestAColumnsTitleIsEscapedInAReference(t *testing.T) {
	for title, want := range map[string]string{
		"Amount": "orders[Amount]", "Net amount": "orders[Net amount]", "It's [#1]": "orders[It''s '['#1']]",
	} {
		if got := reference("orders", title); got != want {
			t.Errorf("%q is referred to by %q, not %q", title, got, want)
		}
	}
}
