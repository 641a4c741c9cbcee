package notify

import (
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

// An address is a mailbox as every mail server takes it: its domain in the
// letters of ASCII.
type address struct{ local, domain string }

func (a address) String() string { return a.local + "@" + a.domain }

// is tells whether b is the same mailbox, however it is written.
func (a address) is(b address) bool {
	return strings.EqualFold(a.local, b.local) && a.domain == b.domain
}

// What is wrong with an address, in sentences for whoever wrote it.
const (
	noAddress  = "Write one address and nothing else, as in ann@example.com."
	unreadable = "What stands before the @ may have plain letters, digits and signs only: not every mail server takes more."
	noDomain   = "What stands behind the @ is no domain, as in example.com."
)

// readAddress reads ann@example.com: one mailbox, without a name, a comment or
// anything that a header or a mail server could take for more.
func readAddress(text string) (a address, problem string) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return address{}, noAddress
	}
	domain, problem := readDomain(text[at+1:])
	if problem != "" {
		return address{}, problem
	}
	a = address{text[:at], domain}
	if strings.ContainsFunc(a.local, func(r rune) bool { return r > 0x7e }) {
		return address{}, unreadable
	}
	read, err := mail.ParseAddress(a.String())
	if err != nil || read.Name != "" || read.Address != a.String() || len(a.local) > 64 || len(read.Address) > longest {
		return address{}, noAddress
	}
	if strings.ContainsAny(a.local, "%!") { // by which relays were once told to pass it on elsewhere
		return address{}, unreadable
	}
	return a, ""
}

// longest is the longest address that is taken, which is as much as the label of
// a link holds; mail itself knows 254.
const longest = 200

// domains knows how a domain is written for machines: bücher.example is
// xn--bcher-kva.example.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true))

func readDomain(text string) (domain, problem string) {
	domain, err := domains.ToASCII(text)
	if err != nil || strings.HasSuffix(domain, ".") {
		return "", noDomain
	}
	return domain, ""
}

// allowed are addresses that anybody may have told of their runs.
type allowed struct {
	domains map[string]bool
	whole   []address
}

// add adds *@example.com or ann@example.com.
func (a *allowed) add(pattern string) (problem string) {
	if text, ok := strings.CutPrefix(pattern, "*@"); ok {
		domain, problem := readDomain(text)
		a.domains[domain] = problem == ""
		return problem
	}
	one, problem := readAddress(pattern)
	a.whole = append(a.whole, one)
	return problem
}

// find is the address as it is allowed.
func (a *allowed) find(to address) (address, bool) {
	for _, one := range a.whole {
		if one.is(to) {
			return one, true
		}
	}
	return to, a.domains[to.domain]
}
