package server_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// Every sample report comes out in every format with every value of the
// database, which a program of another language reads again.
func TestSampleReportsAreRight(t *testing.T) {
	config, err := server.Demo(t.Context(), t.TempDir(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	shop := strings.TrimPrefix(config.Sources["shop"].URL, "sqlite:")
	for _, tt := range []struct {
		report, parameters, rows string
		kinds, titles            string
	}{
		{
			"orders", `{}`, "3000",
			"order_no:id ordered_at:stamp customer:text region:text sku:id quantity:int price:decimal amount:decimal discount:decimal paid:bool due:date rating:float comment:text",
			"order_no:Order ordered_at:Ordered customer:Customer region:Region sku:Article quantity:Quantity price:Price amount:Amount discount:Discount paid:Paid due:Due rating:Rating comment:Comment",
		},
		{
			"orders", `{"period":"2024-03-30..2024-04-01","region":"EU"}`, "",
			"order_no:id ordered_at:stamp customer:text region:text sku:id quantity:int price:decimal amount:decimal discount:decimal paid:bool due:date rating:float comment:text",
			"order_no:Order ordered_at:Ordered customer:Customer region:Region sku:Article quantity:Quantity price:Price amount:Amount discount:Discount paid:Paid due:Due rating:Rating comment:Comment",
		},
		{
			"revenue", `{}`, "",
			"region:text month:text orders:int units:int revenue:decimal average:float",
			"region:Region month:Month orders:Orders units:Units revenue:Revenue average:Average~order",
		},
		{
			"customers", `{}`, "2000",
			"id:id name:text email:text country:text founded:date since:stamp vip:bool credit:decimal orders:int note:text",
			"id:Number name:Name email:E-mail country:Country founded:Founded since:Customer~since vip:Important credit:Credit orders:Orders note:Note",
		},
	} {
		t.Run(tt.report+tt.parameters, func(t *testing.T) {
			var sent offprint.Sent
			if err := json.Unmarshal([]byte(tt.parameters), &sent); err != nil {
				t.Fatal(err)
			}
			ask := server.Ask{Report: tt.report, Parameters: sent, TimeZone: "Europe/Berlin"}
			query, err := server.SQL(config, ask)
			if err != nil {
				t.Fatal(err)
			}
			files := make(map[string]string)
			for _, format := range []string{"csv", "jsonl", "xlsx", "pdf"} {
				ask.Format = format
				files[format] = filepath.Join(t.TempDir(), "report."+format)
				write(t, config, ask, files[format])
			}
			verdict := verify(t, shop, map[string]any{"title": offprint.Titled(tt.report), "sql": query, "kinds": pairs(tt.kinds), "titles": pairs(tt.titles), "files": files, "decimals": map[string]int{"rating": 1, "credit": 2}})
			if !strings.Contains(verdict, "\n0 differences in "+tt.rows) && !strings.HasPrefix(verdict, "0 differences in "+tt.rows) {
				t.Error(verdict)
			}
		})
	}
}

func write(t *testing.T, config server.Config, ask server.Ask, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.Make(t.Context(), config, ask, f, func(offprint.Phase, offprint.Progress) {})
	if err != nil {
		t.Fatalf("make %s as %s: %v", ask.Report, ask.Format, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, shop string, task any) string {
	t.Helper()
	in, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/verify.py", shop, "Europe/Berlin")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("verify.py (needs python3-openpyxl and poppler-utils): %v\n%s", err, out)
	}
	return string(out)
}

func pairs(s string) map[string]string {
	m := make(map[string]string)
	for p := range strings.FieldsSeq(s) {
		k, v, _ := strings.Cut(p, ":")
		m[k] = strings.ReplaceAll(v, "~", " ")
	}
	return m
}
