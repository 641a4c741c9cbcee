package server

import (
	"context"
	"path/filepath"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/examples"
	"github.com/offprint/offprint/internal/demo"
)

// Demo is the configuration of the sample shop, which is made below dir with
// so many orders unless it was made before. Listen and Workers are left to the
// caller.
func Demo(ctx context.Context, dir string, orders int) (Config, error) {
	path, err := demo.OpenShop(ctx, dir, orders)
	if err != nil {
		return Config{}, err
	}
	return Config{
		Database: "sqlite:" + filepath.Join(dir, "offprint.db"), Files: "dir:" + filepath.Join(dir, "files"),
		Sources:     map[string]SourceConfig{"shop": {URL: "sqlite:" + path}},
		ReportFiles: examples.Reports(), InGo: []*offprint.Report{demo.Slow()},
	}, nil
}
