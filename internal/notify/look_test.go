package notify_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/offprint/offprint"
)

var shots = flag.String("shots", "", "a folder for pictures of the letters")

// Letters are looked at as mail programs show them: wide and on a phone, light
// and dark. Nothing is cut off, and all of it can be read.
func TestHowLettersLook(t *testing.T) {
	long := orders()
	long.Run.Outcome, long.Run.File.Rows = offprint.Truncated, 1_000_000
	long.Run.Warnings = []offprint.Warning{{Code: "digits_lost", Detail: "Numbers of more than 15 digits are text, since Excel would round them."}}
	long.Run.Params["region"] = "https://erp.example.com/" + strings.Repeat("very-long-and-nowhere-to-break/", 8)
	arabic := orders()
	arabic.Run.Title, arabic.Run.Locale = "تقرير المبيعات الشهري", "ar"
	japanese := orders()
	japanese.Run.Title = "月次売上レポート（全店舗・税抜）"
	german := failed(tooLong())
	german.Run.Locale = "de"
	shared := orders()
	shared.Address, shared.Link = "mailto:bob@partner.example", "https://reports.example.com/d/n4GOX7yFQ2VhYWRlcnMgYXJlIGN1dCBoZXJlIHRvbw"
	expiring := orders()
	expiring.Event = offprint.RunExpiring

	ctx := chromium(t)
	for name, n := range map[string]offprint.Notice{
		"ready": orders(), "cut": long, "failed": failed(tooLong()), "arabic": arabic, "japanese": japanese, "german": german, "shared": shared, "expiring": expiring,
	} {
		page := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(page, []byte(sent(t, n).HTML), 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, chromedp.Do(ctx, chromedp.Navigate("file://"+page)))
		for _, view := range []struct {
			name   string
			width  int64
			scheme string
		}{{"light", 1000, "light"}, {"dark", 1000, "dark"}, {"phone", 390, "light"}, {"phone-dark", 390, "dark"}} {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}}})
			must(t, err)
			must(t, chromedp.Do(ctx, chromedp.EmulateViewport(view.width, 800, chromedp.EmulateScale(2))))
			faults, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](faultsOfALetter))
			must(t, err)
			for _, fault := range faults {
				t.Errorf("%s, %s: %s", name, view.name, fault)
			}
			if *shots != "" {
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(*shots, name+"-"+view.name+".png"), png, 0o600))
			}
		}
	}
}

// faultsOfALetter are what scrolls sideways, and text of too little contrast
// (WCAG: 4.5 to 1) to what is behind it.
const faultsOfALetter = `(() => {
	const faults = []
	if (document.documentElement.scrollWidth > innerWidth) faults.push("it scrolls sideways: " + document.documentElement.scrollWidth)
	const rgb = css => css.match(/[\d.]+/g).map(Number)
	const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
	const behind = el => { for (; el; el = el.parentElement) { const c = rgb(getComputedStyle(el).backgroundColor); if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] }
	let seen = 0
	for (const el of document.querySelectorAll("p, h1, th, td, a")) {
		if (![...el.childNodes].some(n => (n.nodeName === "BDI" || n.nodeType === 3) && n.textContent.trim())) continue
		seen++
		const [a, b] = [light(rgb(getComputedStyle(el).color)), light(behind(el))].sort((x, y) => y - x)
		const contrast = (a + 0.05) / (b + 0.05)
		if (contrast < 4.5) faults.push(contrast.toFixed(1) + ":1 " + el.textContent.trim())
	}
	if (seen < 6) faults.push("there are only " + seen + " texts")
	return faults
})()`

// chromium is a real browser, with one tab.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		t.Fatal("install chromium-headless-shell (Debian: apt-get install chromium-headless-shell)")
	}
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU)...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
