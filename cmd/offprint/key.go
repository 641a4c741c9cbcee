package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Make a key and show it, once."`
	List   keyListCommand   `cmd:"" help:"List the keys; never what opens them."`
	Revoke keyRevokeCommand `cmd:"" help:"Revoke a key."`
}

type keyCreateCommand struct {
	configured
	Name    string        `help:"What it is for." required:""`
	User    string        `help:"Whose runs it makes. Without it: its own, as key:NAME."`
	Tenant  string        `help:"Of which tenant."`
	Email   string        `help:"Their address."`
	Role    []string      `help:"A role; again for more."`
	Scope   []string      `help:"What else it may do: impersonate." enum:"impersonate"`
	Expires time.Duration `help:"How long it works, as in 720h. Without it: until it is revoked."`
}

func (c keyCreateCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	who := offprint.Identity{User: c.User, Tenant: c.Tenant, Email: c.Email, Roles: c.Role, Scopes: c.Scope}
	secret, err := server.CreateKey(ctx, config, c.Name, who, c.Expires)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.err, "This is shown once; only its hash is kept. Send it as Authorization: Bearer …")
	_, err = fmt.Fprintln(t.out, secret)
	return err
}

type keyListCommand struct{ configured }

func (c keyListCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	keys, err := server.Keys(ctx, config)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tBEGINS\tUSER\tTENANT\tROLES\tSCOPES\tCREATED\tSTATE")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\t%s…\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Begins, k.Who.User, k.Who.Tenant,
			strings.Join(k.Who.Roles, ","), strings.Join(k.Who.Scopes, ","), k.Created.Format(time.DateOnly), k.State)
	}
	return w.Flush()
}

type keyRevokeCommand struct {
	configured
	ID string `arg:"" help:"From key list."`
}

func (c keyRevokeCommand) Run(ctx context.Context, t *terminal) error {
	config, err := c.read(t)
	if err != nil {
		return err
	}
	if err := server.RevokeKey(ctx, config, c.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, "Revoked.")
	return err
}
