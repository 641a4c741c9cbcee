package web_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/offprint/offprint"
)

var shots = flag.String("shots", "", "a folder for pictures of the pages")

// A browser is a real one, with one tab.
type browser struct {
	*world
	ctx      context.Context
	expected string // the status of answers that the browser may complain of, beside 422
}

func (w *world) browse() *browser {
	w.t.Helper()
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		w.t.Fatal("install chromium-headless-shell (Debian: apt-get install chromium-headless-shell)")
	}
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(w.t.Context()), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU)...)
	w.t.Cleanup(end)
	var mu sync.Mutex
	var wrong []string
	b := &browser{world: w, expected: "422"}
	ctx, end := chromedp.NewContext(allocator, chromedp.WithListener(func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			wrong = append(wrong, fmt.Sprint(ev.ExceptionDetails))
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError {
				wrong = append(wrong, ev.Entry.Text+" "+ev.Entry.URL)
			}
		}
	}))
	w.t.Cleanup(func() {
		end()
		mu.Lock()
		defer mu.Unlock()
		for _, text := range wrong {
			if !strings.Contains(text, "status of 422") && !strings.Contains(text, "status of "+b.expected) { // a form that is not right is answered with a page
				w.t.Errorf("the browser complains: %s", text)
			}
		}
	})
	hurried, cancel := context.WithTimeout(ctx, time.Minute)
	w.t.Cleanup(cancel)
	b.ctx = hurried
	b.do(chromedp.EmulateViewport(1200, 800))
	return b
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// sees waits until the page holds an element that holds the text.
func (b *browser) sees(selector, text string) {
	b.t.Helper()
	expression := fmt.Sprintf(`[...document.querySelectorAll(%q)].some(el => el.innerText.replace(/\s+/g, " ").includes(%q))`, selector, text)
	var last error
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if found {
			return
		}
		last = err // the page may just be going to another
	}
	body, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.t.Fatalf("%s never held %q: %v\n%s %v", selector, text, last, body, err)
}

// picture keeps a picture of the page, in both schemes and on a phone.
func (b *browser) picture(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	for _, tt := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"light", 1200, 800, "light"}, {"dark", 1200, 800, "dark"}, {"phone", 390, 844, "light"}} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tt.scheme}}})
		check(b.t, err)
		b.do(chromedp.EmulateViewport(tt.width, tt.height, chromedp.EmulateScale(2)))
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		check(b.t, err)
		check(b.t, os.WriteFile(filepath.Join(*shots, name+"-"+tt.name+".png"), png, 0o600))
	}
	b.do(chromedp.EmulateViewport(1200, 800))
}

func TestSomebodyMakesAReportInTheBrowser(t *testing.T) {
	w := open(t, wish{})
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/"))
	b.sees(".shelves", "Slow orders")
	b.sees(".empty", "Nothing yet")
	b.picture("home-empty")

	b.do(chromedp.Click(chromedp.CSS(`a[href="/reports/slow"]`)), chromedp.WaitVisible(chromedp.CSS("form.form")))
	b.do(chromedp.SetValue(chromedp.CSS("#p-rows"), "5000"))
	b.do(chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".panel .badge", "Being made")
	b.sees(".panel .sentence", " of about 5,000 rows")
	b.sees(".panel dd", "5000")
	if percent, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelector(".panel progress").value`)); err != nil || percent < 5 || percent > 10 {
		t.Errorf("the bar stands at %d, %v", percent, err)
	}
	b.picture("run-running")
	b.do(chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
	w.catalog.release()
	b.sees(".panel .badge", "Ready")
	b.sees(".panel .sentence", "5,000 rows")
	b.sees(".panel a.main", "Download CSV")
	if stayed, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`window.stayed === true`)); err != nil || !stayed {
		t.Errorf("the page was loaded again: %v", err)
	}
	b.picture("run-ready")
	href, err := chromedp.Run(b.ctx, chromedp.JavascriptAttribute[string](chromedp.CSS(".panel a.main"), "href"))
	check(t, err)
	if a := w.do("GET", href, call{}).wants(t, 200); strings.Count(string(a.body), "\n") != 5001 {
		t.Errorf("the file has %d lines", strings.Count(string(a.body), "\n"))
	}
}

func TestRunsChangeWhileOneLooksOn(t *testing.T) {
	w := open(t, wish{})
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/"))
	b.sees(".empty", "Nothing yet")
	id := w.ask("", `{"report":"slow","parameters":{"rows":1000}}`) // by somebody else's hand
	b.sees(".run .badge", "Being made")
	done := w.made("", `{"report":"orders","parameters":{"rows":50000,"region":"EU"}}`)["id"].(string)
	b.sees(".run .sentence", "50,000 rows · ")
	w.made("", `{"report":"orders","parameters":{"rows":0}}`)
	b.sees(".run .badge", "Ready, no rows")
	w.made("", `{"report":"broken"}`)
	b.sees(".run .sentence", "The shop database took too long")
	b.picture("home")
	b.do(chromedp.Click(chromedp.CSS(`[data-run="` + id + `"] [data-focus=cancel]`)))
	b.sees(".run .badge", "Canceled")
	b.sees(".run .sentence", "by you at")
	if run := w.do("GET", "/v1/runs/"+id, call{}).json(t); run["state"] != "canceled" {
		t.Errorf("canceled by a click: %v", run["state"])
	}
	w.catalog.release()
	b.do(chromedp.Click(chromedp.CSS(`[data-run="` + id + `"] [data-focus=again]`)))
	b.sees(".run .sentence", "1,000 rows · ")
	if runs := w.do("GET", "/v1/runs", call{}).json(t)["items"].([]any); len(runs) != 5 {
		t.Errorf("%d runs, want 5", len(runs))
	}
	w.do("DELETE", "/v1/runs/"+done+"/file", call{}).wants(t, 204)
	b.sees(".run .badge", "File deleted")
}

func TestAnErrorHasThreeParts(t *testing.T) {
	w := open(t, wish{})
	run := w.made("", `{"report":"broken"}`)
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/runs/" + run["id"].(string)))
	b.sees(".panel .sentence", "The shop database took too long")
	b.sees(".wrong", "What you asked for is kept")
	b.sees(".wrong", "Ask for a shorter period, or try again later.")
	b.sees(".panel", "Change and make again")
	b.picture("run-failed")
}

func TestAFormKeepsWhatWasFilledIn(t *testing.T) {
	w := open(t, wish{})
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/reports/orders"))
	b.picture("form")
	b.do(chromedp.EmulateViewport(390, 844), chromedp.SetValue(chromedp.CSS("#p-period"), "own"))
	b.holds(`(edge => [...document.querySelectorAll("form.form *")].every(el => el.getBoundingClientRect().right <= edge))(document.querySelector("form.form").getBoundingClientRect().right)`)
	b.do(chromedp.EmulateViewport(1200, 800))
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "a lot"), chromedp.SetValue(chromedp.CSS("#p-region"), "EU"), chromedp.SetValue(chromedp.CSS("#p-period"), "own"))
	b.do(chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".error", "Write a decimal number")
	b.sees(".error", "Choose the first and the last day.")
	for selector, want := range map[string]string{"#p-least": "a lot", "#p-region": "EU", "#p-period": "own"} {
		if got, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS(selector))); err != nil || got != want {
			t.Errorf("%s holds %q, want %q (%v)", selector, got, want, err)
		}
	}
	b.picture("form-wrong")
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "12.50"), chromedp.SetValue(chromedp.CSS("[name='p.period.from']"), "2026-10-01"), chromedp.SetValue(chromedp.CSS("[name='p.period.to']"), "2026-10-31"))
	b.do(chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".panel .badge", "Ready")
	b.sees(".panel dd", "1 Oct – 31 Oct 2026")
	b.sees(".panel dd", "Europe")
	b.do(chromedp.Click(chromedp.CSS("[data-focus=change]")), chromedp.WaitVisible(chromedp.CSS("form.form")))
	if got, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS("[name='p.period.to']"))); err != nil || got != "2026-10-31" {
		t.Errorf("asked again, the form holds %q (%v)", got, err)
	}
}

func TestThePageWorksWithoutAScript(t *testing.T) {
	w := open(t, wish{})
	form := url.Values{"p.rows": {"7"}, "p.period": {"last_month"}, "format": {"csv"}, "key": {"k1"}}
	post := func() string {
		a := w.do("POST", "/reports/orders", call{body: form.Encode(), headers: []string{"Content-Type: application/x-www-form-urlencoded"}}).wants(t, http.StatusSeeOther)
		return a.Header.Get("Location")
	}
	first := post()
	if second := post(); second != first {
		t.Errorf("a click that arrived twice made %s and %s", first, second)
	}
	form.Set("p.rows", "8")
	if other := post(); other == first {
		t.Error("another form was taken for the same click")
	}
	slow := w.ask("", `{"report":"slow"}`)
	page := w.do("GET", "/runs/"+slow, call{}).wants(t, 200)
	if !strings.Contains(string(page.body), `<noscript><meta http-equiv="refresh"`) || !strings.Contains(page.Header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("a run that has not ended: %v %s", page.Header, page.body)
	}
	w.do("POST", "/runs/"+slow+"/cancel", call{}).wants(t, http.StatusSeeOther)
	page = w.do("GET", "/runs/"+slow, call{}).wants(t, 200)
	if strings.Contains(string(page.body), "http-equiv") || !strings.Contains(string(page.body), "Canceled") {
		t.Errorf("a canceled run: %s", page.body)
	}
	w.until("", strings.TrimPrefix(first, "/runs/"), "succeeded")
	w.do("POST", first+"/delete-file", call{}).wants(t, http.StatusSeeOther)
	again := w.do("POST", first+"/again", call{}).wants(t, http.StatusSeeOther).Header.Get("Location")
	w.until("", strings.TrimPrefix(again, "/runs/"), "succeeded")
	lost := w.do("GET", "/nowhere", call{headers: []string{"Accept: text/html"}}).wants(t, 404)
	if !strings.Contains(string(lost.body), "<h1>There is no such thing</h1>") {
		t.Errorf("lost: %s", lost.body)
	}
}

func TestWithSignInThePageSaysThatBrowsersMustWait(t *testing.T) {
	w := open(t, wish{workers: -1, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}}})
	a := w.do("GET", "/", call{}).wants(t, 401)
	if !strings.Contains(string(a.body), "not available here yet") || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page: %s", a.body)
	}
	a = w.do("GET", "/", call{key: "opk_ann"}).wants(t, 200)
	if !strings.Contains(string(a.body), `<span class="who">ann</span>`) {
		t.Errorf("ann's page: %s", a.body)
	}
}

// holds waits until a script's expression is true.
func (b *browser) holds(expression string) {
	b.t.Helper()
	var last error
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if is {
			return
		}
		last = err // the page may just be going to another
	}
	body, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.t.Fatalf("never: %s %v\n%s %v", expression, last, body, err)
}

// press presses keys in what has the focus.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

func is(selector, value string) string {
	return fmt.Sprintf(`document.querySelector(%q)?.value === %q`, selector, value)
}

// noSidewaysScroll holds that the page is no wider than its window.
const noSidewaysScroll = `document.documentElement.scrollWidth <= document.documentElement.clientWidth`

func TestOptionsAreSearchedChosenAndFollowed(t *testing.T) {
	w := open(t, wish{})
	b := w.browse()
	b.do(chromedp.Navigate(w.url+"/reports/places"), chromedp.WaitVisible(chromedp.CSS("[role=combobox]")))
	b.holds(`document.querySelectorAll("[role=combobox]").length === 4`)
	b.do(chromedp.Click(chromedp.CSS("#p-city")))
	b.sees(".popup", "Fill in Country first.")

	b.do(chromedp.Focus(chromedp.CSS("#p-country")))
	b.press("d", "e", "n")
	b.sees("#p-country-list li", "Denmark")
	b.holds(`document.querySelector("#p-country").getAttribute("aria-activedescendant") === "p-country-list-0"`)
	b.picture("combobox")
	b.press(kb.ArrowDown, kb.Enter)
	b.holds(is(`[name="p.country"]`, "SE"))
	b.holds(is("#p-country", "Sweden") + ` && document.querySelector("#p-country").getAttribute("aria-expanded") === "false"`)

	b.do(chromedp.Focus(chromedp.CSS("#p-city")))
	b.press(kb.ArrowDown)
	b.sees(".popup", "There are more. Write to search.")
	b.press("1", "1", "9", kb.Enter)
	b.holds(is(`[name="p.city"]`, "s119"))

	b.do(chromedp.Click(chromedp.CSS("#p-country"))) // another country has no such city
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#p-country").select()`))
	b.press("s", "w", "i", "t", "z")
	b.sees("#p-country-list li", "Switzerland")
	b.press(kb.Tab) // left before it was chosen
	b.holds(is(`[name="p.country"]`, "CH"))
	b.sees(".field", "Town 119 is no longer among the options.")
	b.holds(`document.querySelector('[name="p.city"]') === null`)
	b.do(chromedp.Focus(chromedp.CSS("#p-city")))
	b.press("z", "u", "r", "i", "c", "h")
	b.sees("#p-city-list li", "Zürich")
	b.press(kb.Enter)

	b.do(chromedp.Focus(chromedp.CSS("#p-tags")))
	for _, name := range []string{"France", "Austria", "Denmark"} {
		b.press(strings.Split(name[:3], "")...)
		b.sees("#p-tags-list li.active", name)
		b.press(kb.Enter)
		b.sees(".chips", name)
	}
	b.press(kb.Escape, kb.Backspace)
	b.holds(`[...document.querySelectorAll('[name="p.tags"]')].map((i) => i.value).join() === "FR,AT"`)
	b.do(chromedp.Focus(chromedp.CSS("#p-size")))
	b.press("4", "0")
	b.sees("#p-size-list li.active", "Size 40")
	b.press(kb.Enter)
	b.picture("form-places")
	b.do(chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".panel .badge", "Ready")
	for _, text := range []string{"Switzerland", "Zürich", "France, Austria", "Size 40"} {
		b.sees(".panel dd", text)
	}
	b.do(chromedp.Click(chromedp.CSS("[data-focus=change]")), chromedp.WaitVisible(chromedp.CSS("[role=combobox]")))
	b.holds(is("#p-city", "Zürich") + " && " + is("#p-country", "Switzerland"))
	b.sees(".chips", "France")
}

func TestOptionsThatCannotBeHadAreWritten(t *testing.T) {
	w := open(t, wish{})
	dead := offprint.Errorf(offprint.SourceUnavailable, "It is down.")
	dead.Title = "The shop database did not answer"
	w.catalog.places.set(nil, dead)
	b := w.browse()
	b.expected = "503"
	b.do(chromedp.Navigate(w.url+"/reports/places"), chromedp.WaitVisible(chromedp.CSS("[role=combobox]")))
	b.do(chromedp.Focus(chromedp.CSS("#p-country")))
	b.press("D", "E")
	b.sees(".popup", "The shop database did not answer. You can still write the value.")
	b.picture("combobox-dead")
	b.press(kb.Tab)
	b.holds(is(`[name="p.country"]`, "DE"))
	gate := make(chan struct{})
	w.catalog.places.set(gate, nil)
	b.do(chromedp.Click(chromedp.CSS("#p-tags")))
	b.sees(".popup", "Looking…")
	w.catalog.places.set(nil, nil)
	close(gate)
	b.sees("#p-tags-list li", "Germany")
}

func TestTheFirstRowsCanBeLookedAt(t *testing.T) {
	w := open(t, wish{})
	b := w.browse()
	b.do(chromedp.Navigate(w.url+"/reports/places"), chromedp.WaitVisible(chromedp.CSS("[role=combobox]")))
	b.sees(".span", " – ")
	b.do(chromedp.Focus(chromedp.CSS("#p-country")))
	b.press("g", "e", "r")
	b.sees("#p-country-list li", "Germany")
	b.press(kb.Enter)
	b.do(chromedp.Evaluate[chromedp.Void](`window.stayed = true`), chromedp.Click(chromedp.CSS("[data-preview]")))
	b.sees(".preview", "The first 20 rows. There are more.")
	b.sees(".preview td.n", "1,152,921,504,606,846,976")
	b.sees(".preview td", "<b>DE</b>")
	b.sees(".preview td.n", "-1,234.50")
	b.holds(`window.stayed && ![...document.querySelectorAll(".preview th")].some((th) => th.textContent === "Hidden")`)
	b.picture("preview")
	b.do(chromedp.EmulateViewport(390, 844))
	b.holds(noSidewaysScroll)
	b.holds(`new Set([...document.querySelectorAll(".preview td:not(.none) span")].map((el) => el.getBoundingClientRect().left)).size === 1`) // as a card, each value below the other
	b.do(chromedp.EmulateViewport(1200, 800))
	b.do(chromedp.Click(chromedp.CSS("form.form button.main"))) // a look sends nothing
	b.sees(".panel .badge", "Ready")

	b.do(chromedp.Navigate(w.url+"/reports/orders"), chromedp.WaitVisible(chromedp.CSS("form.form")))
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "a lot"), chromedp.Click(chromedp.CSS("[data-preview]")))
	b.sees(".error", "Write a decimal number")
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "1"), chromedp.SetValue(chromedp.CSS("#p-rows"), "0"), chromedp.Click(chromedp.CSS("[data-preview]")))
	b.sees(".preview", "Nothing matches these parameters.")

	b.do(chromedp.Navigate(w.url+"/reports/broken"), chromedp.WaitVisible(chromedp.CSS("form.form")), chromedp.Click(chromedp.CSS("[data-preview]")))
	b.sees(".preview .wrong", "The shop database took too long.")
	b.picture("preview-failed")
}

func TestOptionsAndPreviewWorkWithoutAScript(t *testing.T) {
	w := open(t, wish{})
	get := func(path string) string { return string(w.do("GET", path, call{}).wants(t, 200).body) }
	page := get("/reports/places")
	for _, want := range []string{`<option value="DE">Germany</option>`, `<select multiple id="p-tags"`, `<input type="text" id="p-city"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form has no %s", want)
		}
	}
	typed := []string{"Content-Type: application/x-www-form-urlencoded"}
	post := func(path string, form url.Values, status int) answer {
		t.Helper()
		return w.do("POST", path, call{body: form.Encode(), headers: typed}).wants(t, status)
	}
	form := url.Values{"p.country": {"CH"}, "p.city": {"zrh"}, "p.tags": {"FR", "AT"}, "p.period": {"last_month"}, "format": {"csv"}, "key": {"k"}}
	looked := string(post("/reports/places/preview", form, 200).body)
	for _, want := range []string{`The first 20 rows. There are more.`, `&lt;b&gt;CH&lt;/b&gt;`, `<option value="zrh" selected>Zürich</option>`, `<option value="AT" selected>`} {
		if !strings.Contains(looked, want) {
			t.Errorf("the preview has no %s", want)
		}
	}
	run := post("/reports/places", form, http.StatusSeeOther).Header.Get("Location")
	w.until("", strings.TrimPrefix(run, "/runs/"), "succeeded")
	form.Set("p.country", "US")
	if wrong := string(post("/reports/places", form, 422).body); !strings.Contains(wrong, "Choose one of the options.") || !strings.Contains(wrong, `<option value="US" selected>US</option>`) {
		t.Errorf("a value that is no option: %s", wrong)
	}
	gate := make(chan struct{})
	defer close(gate)
	w.catalog.places.set(gate, nil)
	if page := string(w.do("GET", "/reports/places", call{headers: []string{"Accept-Language: fr"}}).wants(t, 200).body); !strings.Contains(page, `<input type="text" id="p-country"`) {
		t.Error("a page waits for a slow source")
	}
}

func TestTheFormSaysWhatItWouldComeTo(t *testing.T) {
	w := open(t, wish{})
	w.made("", `{"report":"orders","parameters":{"rows":50000}}`)
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/reports/orders"))
	b.sees(".estimate", "About 50,000 rows · ")
	b.sees(".estimate", "This is what it came to the last time")
	b.picture("form-estimate")
	b.do(chromedp.Click(chromedp.CSS("[value=jsonl]"))) // which it never was
	b.holds(`document.querySelector(".estimate").textContent === ""`)
}
