package ledger

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/riverqueue/river/rivermigrate"
)

var (
	//go:embed schema.sql
	schema string
	//go:embed schema_2.sql
	schema2 string
	//go:embed schema_3.sql
	schema3 string
	//go:embed schema_4.sql
	schema4 string
	//go:embed schema_5.sql
	schema5 string
	//go:embed schema_6.sql
	schema6 string
	//go:embed schema_7.sql
	schema7 string
)

// migrations are applied in their order and never changed once released. They
// expand first and contract a release later, so that old and new releases run
// side by side.
func migrations() []string {
	return []string{schema, schema2, schema3, schema4, schema5, schema6, schema7}
}

// migrate brings River's tables and ours up to date, one process at a time.
func (l *Ledger) migrate(ctx context.Context) error {
	m, err := rivermigrate.New(l.driver, &rivermigrate.Config{Schema: l.schema, Logger: l.riverLog()})
	if err != nil {
		return err
	}
	if l.listen == nil { // SQLite has one writer at a time, which is lock enough
		return l.tx(ctx, "migrate", func(tx *sql.Tx) error {
			//lint:ignore SA1019 what cannot be batched is PostgreSQL's; here one transaction is the lock
			_, err := m.MigrateTx(ctx, tx, rivermigrate.DirectionUp, nil)
			return errors.Join(err, l.migrateOurs(ctx, tx))
		})
	}
	// Some of River's steps on PostgreSQL need a transaction each.
	return l.alone(ctx, func() error {
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		return l.tx(ctx, "migrate", func(tx *sql.Tx) error { return l.migrateOurs(ctx, tx) })
	})
}

// alone does it under a lock that the session holds.
func (l *Ledger) alone(ctx context.Context, do func() error) error {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(hashtext($1))`, "offprint migrates "+l.o.Schema); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+l.o.Schema)
	if err == nil {
		err = do()
	}
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(hashtext($1))`, "offprint migrates "+l.o.Schema)
	return errors.Join(err, unlock)
}

func (l *Ledger) migrateOurs(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY)`); err != nil {
		return err
	}
	var have int
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM migrations`).Scan(&have); err != nil {
		return err
	}
	all := migrations()
	for version := have + 1; version <= len(all); version++ {
		if err := l.apply(ctx, tx, all[version-1]); err != nil {
			return fmt.Errorf("version %d: %w", version, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO migrations (version) VALUES ($1)`, version); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) apply(ctx context.Context, tx *sql.Tx, text string) error {
	text = strings.NewReplacer("{keyed}", l.keyed, "{narrow}", l.narrow).Replace(text)
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
