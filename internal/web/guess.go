package web

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// How often one address may try links that do not exist: so many at once, and
// one more each while. Nobody guesses a token of 256 bits; this keeps whoever
// tries from keeping the ledger busy. It is also the pause that 429 tells.
const (
	mostGuesses   = 20
	guessEvery    = 10 * time.Second
	mostAddresses = 10_000 // that are remembered
)

// guesses are the links that did not exist, by the address that tried them. The
// zero value is ready.
type guesses struct {
	sync.Mutex
	of map[netip.Prefix]guessed
}

// guessed is what one address has tried.
type guessed struct {
	until time.Time // when it will be forgotten; each guess adds guessEvery to it, up to mostGuesses
	last  [sha256.Size]byte
}

// check refuses whoever has tried too many.
func (g *guesses) check(from string, now time.Time) error {
	g.Lock()
	defer g.Unlock()
	if g.of[network(from)].until.Sub(now) <= (mostGuesses-1)*guessEvery {
		return nil
	}
	err := offprint.Errorf(offprint.TooManyRequests, "Wait for ten seconds, then open the link again. See that its address is whole.")
	err.Title = "Too many links that do not exist"
	return err
}

// add counts one more. The same one again is no guess: it is a link that many
// people of one office were sent, and whose run was erased.
func (g *guesses) add(from, token string, now time.Time) {
	g.Lock()
	defer g.Unlock()
	address := network(from)
	hash := sha256.Sum256([]byte(token))
	tried, known := g.of[address]
	if known && tried.last == hash {
		return
	}
	if !known && len(g.of) >= mostAddresses {
		g.forget(now)
	}
	if tried.until.Before(now) {
		tried.until = now
	}
	if g.of == nil {
		g.of = make(map[netip.Prefix]guessed)
	}
	until := tried.until.Add(guessEvery)
	if most := now.Add(mostGuesses * guessEvery); until.After(most) { // of many at once, which are all let in before one is counted
		until = most
	}
	g.of[address] = guessed{until, hash}
}

// forget makes room: of those whose time is over, or else of any.
func (g *guesses) forget(now time.Time) {
	for address, tried := range g.of {
		if tried.until.Before(now) {
			delete(g.of, address)
		}
	}
	for address := range g.of {
		if len(g.of) < mostAddresses {
			return
		}
		delete(g.of, address)
	}
}

// network is what one household has: an address of IPv4, or the 64 bits of IPv6
// behind which one can have any number of them.
func network(from string) netip.Prefix {
	address, err := netip.ParseAddr(from)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 64
	if address.Is4() {
		bits = 32
	}
	prefix, _ := address.WithZone("").Prefix(bits) // which these bits always have
	return prefix
}
