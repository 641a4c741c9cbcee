package xlsx

import "fmt"

// Foretell says what becomes of rows beyond those of one sheet, as if they
// were all of one part.
func (format) Foretell(rows int64, options map[string]string) []string {
	const held = maxRows - 2 // between the header and the totals
	if rows <= held {
		return nil
	}
	if options["overflow"] == "fail" {
		return []string{"Beyond what one Excel sheet holds, and this report may not go on on another: nothing would be made."}
	}
	return []string{fmt.Sprintf("Beyond what one Excel sheet holds: %d sheets.", (rows+held-1)/held)}
}
