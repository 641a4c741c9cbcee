package web_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/offprint/offprint/internal/web"
)

func TestWhoWritesReportsSeesWhatIsWrong(t *testing.T) {
	var mu sync.Mutex
	problems := []web.ReportProblem{
		{File: "reports/stock.sql", Line: 4, Column: 23, Text: "There is no parameter perod. Did you mean period?", Quote: "WHERE o.ordered_at >= :perod.start" + strings.Repeat(" AND o.paid", 40)},
		{File: "reports/sales/orders.sql", Line: 2, Column: 1, Text: `There is no key "titel". Did you mean title?`, Quote: "titel: <Orders>"},
	}
	set := func(now ...web.ReportProblem) {
		mu.Lock()
		defer mu.Unlock()
		problems = now
	}
	w := open(t, wish{workers: -1, dev: func() []web.ReportProblem {
		mu.Lock()
		defer mu.Unlock()
		return problems
	}})
	both := problems
	b := w.browse()
	b.expected = "404"
	b.do(chromedp.Navigate(w.url + "/"))
	b.sees(".problems", "reports/stock.sql:4:23 WHERE o.ordered_at >= :perod.start"+strings.Repeat(" AND o.paid", 40)+" There is no parameter perod. Did you mean period?")
	b.sees(".problems", "titel: <Orders>")
	b.holds(noSidewaysScroll)
	b.picture("dev-home")
	b.do(chromedp.Navigate(w.url + "/reports/stock"))
	b.sees("main", "This report cannot be asked for yet.")
	b.do(chromedp.Navigate(w.url + "/reports/orders"))
	b.sees(".wrong", "The file is not right any more. This is the report as it was before.")
	b.picture("dev-report")
	set(both[0])
	b.holds(`document.querySelector("form.form") && !document.querySelector(".wrong")`)
	b.do(chromedp.Navigate(w.url + "/"))
	b.sees(".problems", "reports/stock.sql:4:23")
	set()
	b.holds(`document.querySelector(".desk") && !document.querySelector(".problems")`)
}

func TestNobodyElseSeesWhatIsWrong(t *testing.T) {
	w := open(t, wish{workers: -1})
	w.do("GET", "/dev", call{}).wants(t, 404)
	for _, path := range []string{"/", "/reports/orders"} {
		if page := string(w.do("GET", path, call{}).wants(t, 200).body); strings.Contains(page, "data-watches") || strings.Contains(page, "problems") {
			t.Errorf("%s: %s", path, page)
		}
	}
}
