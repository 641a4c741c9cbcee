package xlsx

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	symbols = 286 // of the largest alphabet
	longest = 15  // bits of a code
)

// A prefix is the bits of a symbol, the first in the lowest.
type prefix struct {
	bits   uint16
	length uint8 // 0: the symbol is not there
}

// A coder makes codes for an alphabet.
type coder struct {
	codes  [symbols]prefix
	leaves [symbols]leaf // the symbols that are there, the rarest first
	weight [2 * symbols]int
	parent [2 * symbols]int
	depth  [2 * symbols]int
	counts [longest + 1]int // of codes, by their length
}

type leaf struct{ symbol, often int }

// of are codes for symbols that are there so often, none of more than most
// bits: Huffman's, but for those that would be longer. They end with the last
// symbol that is there, and are good until the next.
func (c *coder) of(often []int, most int) []prefix {
	leaves := c.leaves[:0]
	for symbol, n := range often {
		c.codes[symbol] = prefix{}
		if n > 0 {
			leaves = append(leaves, leaf{symbol, n})
		}
	}
	if len(leaves) == 0 {
		return c.codes[:1]
	}
	codes := c.codes[:leaves[len(leaves)-1].symbol+1]
	slices.SortFunc(leaves, func(a, b leaf) int { return cmp.Or(cmp.Compare(a.often, b.often), cmp.Compare(a.symbol, b.symbol)) })
	c.grow(leaves)
	c.count(len(leaves), most)
	next := 0
	for length := most; length > 0; length-- { // the rarest get the longest
		for range c.counts[length] {
			codes[leaves[next].symbol].length = uint8(length)
			next++
		}
	}
	canonical(codes, c.counts[:most+1])
	return codes
}

// grow finds how deep the leaves stand in a Huffman tree. Their weights grow,
// and so do those of the branches that are made of them: the two lightest are
// always at the head of one of two lists.
func (c *coder) grow(leaves []leaf) {
	n := len(leaves)
	for i, l := range leaves {
		c.weight[i] = l.often
	}
	next, branch := 0, n
	for made := n; made < 2*n-1; made++ {
		c.weight[made] = 0
		for range 2 {
			lightest := branch
			if next < n && (branch == made || c.weight[next] <= c.weight[branch]) {
				lightest = next
				next++
			} else {
				branch++
			}
			c.parent[lightest] = made
			c.weight[made] += c.weight[lightest]
		}
	}
	c.depth[2*n-2] = 0
	for i := 2*n - 3; i >= 0; i-- {
		c.depth[i] = c.depth[c.parent[i]] + 1
	}
}

// count counts the codes of each length, of which none is longer than most and
// none shorter than a bit.
func (c *coder) count(leaves, most int) {
	clear(c.counts[:])
	taken := -1 << most // beyond what there is
	for _, depth := range c.depth[:leaves] {
		length := max(1, min(depth, most))
		c.counts[length]++
		taken += 1 << (most - length)
	}
	for ; taken > 0; taken-- { // one of the longest moves beside one that is shorter, which grows
		c.counts[most]--
		length := most - 1
		for c.counts[length] == 0 {
			length--
		}
		c.counts[length]--
		c.counts[length+1] += 2
	}
}

// canonical gives the codes their bits, as a reader does that knows their lengths
// (RFC 1951, 3.2.2).
func canonical(codes []prefix, counts []int) {
	var next [longest + 1]int
	first := 0
	for length := 1; length < len(counts); length++ {
		next[length] = first
		first = (first + counts[length]) << 1
	}
	for i := range codes {
		if length := codes[i].length; length > 0 {
			codes[i].bits = bits.Reverse16(uint16(next[length])) >> (16 - length)
			next[length]++
		}
	}
}

// A bitWriter writes bits at the end of out, the first in the lowest.
type bitWriter struct {
	out   []byte
	bits  uint64
	ready uint
}

// add writes the n lower bits of v, at most 32 of them.
func (w *bitWriter) add(v uint64, n uint) {
	w.bits |= v << w.ready
	if w.ready += n; w.ready >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.bits))
		w.bits >>= 32
		w.ready -= 32
	}
}

func (w *bitWriter) prefix(c prefix) { w.add(uint64(c.bits), uint(c.length)) }

// sync ends at a byte, with an empty stored block (RFC 1951, 3.2.4).
func (w *bitWriter) sync() []byte {
	w.add(0, 3)
	w.add(0, -w.ready&7)
	for ; w.ready > 0; w.ready -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
	return append(w.out, 0, 0, 0xFF, 0xFF)
}
