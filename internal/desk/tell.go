package desk

import (
	"context"
	"strings"

	"github.com/offprint/offprint"
)

// tell delivers one notice; its error decides whether it is tried again.
func (d *Desk) tell(ctx context.Context, n offprint.Notice) error {
	scheme, _, _ := strings.Cut(n.Address, ":")
	notifier := d.Notifiers[scheme]
	if notifier == nil {
		return offprint.Errorf(offprint.NotConfigured, "Nothing here delivers to %s addresses any more.", scheme)
	}
	return notifier.Notify(ctx, n)
}
