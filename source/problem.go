package source

import "github.com/offprint/offprint/internal/yaml"

// A Problem is one thing that is wrong in a definition: where, what, and how
// to mend it.
type Problem = yaml.Problem

// Problems are all that is wrong, in the order of the files. None is nil.
type Problems = yaml.Problems
