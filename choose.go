package offprint

import "time"

// Key is the same for the same value of type t, however it is written: 7 and
// 007 are one int, 1.5 and 1.50 one decimal. ok is false for what is no value
// of that type.
func (t ParamType) Key(text string, zone *time.Location, now time.Time) (key string, ok bool) {
	if t == TextParam {
		return text, true
	}
	v, problem := t.parse(text, zone, now)
	if problem != "" {
		return "", false
	}
	return KeyOf(v), true
}

// KeyOf is the key of a value of [Params].
func KeyOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Value:
		return v.rat().RatString()
	}
	return asJSON(v)
}
