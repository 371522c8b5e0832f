package render

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/drawd/drawd/engine"
)

const (
	daySeconds = 24 * 3600
	// The civil calendar repeats after 400 years; eraDays is their length. The era that holds 1970 begins on
	// 0000-03-01, epochDays before 1970-01-01, so that a leap day is the last day of its year.
	eraDays   = 146097
	epochDays = 719468
)

// AppendTime appends t as RFC 3339 in UTC with milliseconds, in quotes: "2026-11-11T02:00:00.123Z".
func AppendTime(dst []byte, t engine.UnixMilli) []byte {
	ms := floorMod(int64(t), 1000)
	seconds := (int64(t) - ms) / 1000
	inDay := floorMod(seconds, daySeconds)
	year, month, day := civil((seconds - inDay) / daySeconds)

	dst = append(dst, '"')
	if year < 0 || year > 9999 { // cannot come from a campaign; still a valid JSON string
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = appendPair(appendPair(dst, year/100), year%100)
	}
	dst = appendPair(append(dst, '-'), month)
	dst = appendPair(append(dst, '-'), day)
	dst = appendPair(append(dst, 'T'), inDay/3600)
	dst = appendPair(append(dst, ':'), inDay/60%60)
	dst = appendPair(append(dst, ':'), inDay%60)
	dst = append(dst, '.', byte('0'+ms/100))
	return append(appendPair(dst, ms%100), 'Z', '"')
}

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian calendar, years counted from March.
func civil(days int64) (year, month, day int64) {
	days += epochDays
	inEra := floorMod(days, eraDays)
	era := (days - inEra) / eraDays
	inYear := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	dayOfYear := inEra - (365*inYear + inYear/4 - inYear/100) // from 1 March
	march := (5*dayOfYear + 2) / 153                          // months since March
	day = dayOfYear - (153*march+2)/5 + 1
	year = inYear + era*400
	if march < 10 {
		return year, march + 3, day
	}
	return year + 1, march - 9, day
}

func floorMod(a, b int64) int64 {
	if m := a % b; m < 0 {
		return m + b
	} else {
		return m
	}
}

// appendPair appends two digits of n, 0 ≤ n < 100.
func appendPair(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// plain marks the ASCII bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		size := 1
		if s[i] < utf8.RuneSelf {
			dst = appendEscape(dst, s[i])
		} else {
			dst, size = appendRune(dst, s[i:min(i+utf8.UTFMax, len(s))])
		}
		i += size
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendRune appends the first rune of s, which is not ASCII.
func appendRune[S ~string | ~[]byte](dst []byte, s S) ([]byte, int) {
	var b [utf8.UTFMax]byte
	r, size := utf8.DecodeRune(b[:copy(b[:], s)])
	return utf8.AppendRune(dst, r), size
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// appendHex appends b in hexadecimal, in quotes.
func appendHex(dst, b []byte) []byte {
	return append(hex.AppendEncode(append(dst, '"'), b), '"')
}

func appendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func appendUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }

// appendTimeOrNull appends t, or null when it is 0.
func appendTimeOrNull(dst []byte, t engine.UnixMilli) []byte {
	if t == 0 {
		return append(dst, "null"...)
	}
	return AppendTime(dst, t)
}
