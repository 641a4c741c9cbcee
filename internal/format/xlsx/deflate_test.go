package xlsx

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// inflated is what everybody else's reader makes of blocks of ours.
func inflated(t *testing.T, blocks ...[]byte) []byte {
	t.Helper()
	var d deflater
	var packed []byte
	for _, raw := range blocks {
		packed = d.append(packed, raw)
	}
	packed = append(packed, 3, 0) // the last one
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatalf("%d bytes, as %d: %v", len(bytes.Join(blocks, nil)), len(packed), err)
	}
	return got
}

// TestWhatIsDeflatedComesBack has texts that make odd codes: none, one, the
// longest, and all.
func TestWhatIsDeflatedComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, blockSize)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var fibonacci strings.Builder // the worst case of Huffman: each code is a bit longer than the one before
	for a, b, c := 1, 1, byte(' '); fibonacci.Len() < 4*blockSize; a, b, c = b, a+b, c+1 {
		fibonacci.WriteString(strings.Repeat(string(rune(c)), a))
	}
	shuffled := []byte(fibonacci.String())
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var rows strings.Builder
	for range 5000 {
		rows.WriteString(`<row r="7"><c r="A7" s="3"><v>1.5</v></c><c r="B7" t="inlineStr"><is><t>Łódź &amp; Söhne</t></is></c></row>`)
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "a byte": {'x'}, "few": []byte("</v></c>"), "the same": bytes.Repeat([]byte{'a'}, blockSize), "noise": noise,
		"Fibonacci": shuffled, "rows": []byte(rows.String()), "an end in the midst": []byte(rows.String()[:len(`<row r="7"><c r="A7" s="3"><v>1.5</v></c>`)]),
	} {
		if got := inflated(t, raw, raw); !bytes.Equal(got, append(bytes.Clone(raw), raw...)) {
			t.Errorf("%s: %d bytes became %d others", name, 2*len(raw), len(got))
		}
	}
}

// FuzzDeflate holds the same of anything, and of anything again and again, as
// rows are.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte(`<c r="A7" s="3"><v>1.5</v></c>`), uint16(3))
	f.Add([]byte("</t></is></c></row>"), uint16(300))
	f.Fuzz(func(t *testing.T, piece []byte, times uint16) {
		raw := bytes.Repeat(piece, 1+int(times)%500)
		if got := inflated(t, raw, piece); !bytes.Equal(got, append(bytes.Clone(raw), piece...)) {
			t.Fatalf("%d bytes became %d others", len(raw)+len(piece), len(got))
		}
	})
}
