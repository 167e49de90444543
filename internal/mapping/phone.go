package mapping

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// officeRegion is the country of a telephone number that names none.
const officeRegion = "DE"

// extensionMark stands between a number and its extension, as EspoCRM writes it.
const extensionMark = " ext. "

// canonicalPhone is "+4951112345", with " ext. 89" where there is an extension. What
// is no telephone number stays the text that it is.
func canonicalPhone(s, region string) string {
	if country := plainCountries[region]; country != "" {
		// Valid or not, a number in this form stays the text that it is.
		if rest, ok := strings.CutPrefix(s, "+"+country); ok && rest != "" && rest[0] != '0' && digits(rest) {
			return s
		}
	}
	n := dialled(s, region)
	if n == nil {
		return s
	}
	text := phonenumbers.Format(n, phonenumbers.E164)
	if ext := n.GetExtension(); ext != "" {
		text += extensionMark + ext
	}
	return text
}

// dialled is the number that a text names without doubt; else nil.
func dialled(s, region string) *phonenumbers.PhoneNumber {
	if n := numberIn(s, region); n != nil && phonenumbers.IsValidNumber(n) {
		return n
	}
	return nil
}

// numberIn is the number that a text has the form of, whether or not there is such a
// number; else nil. One without country and area code is none: which town it belongs to
// is not known.
func numberIn(s, region string) *phonenumbers.PhoneNumber {
	number, extension := cutExtension(s)
	first := strings.IndexFunc(number, unicode.IsDigit)
	if first < 0 || strings.IndexFunc(number, foreignToPhones) >= 0 || twoNumbers(number, region) {
		return nil
	}
	trunk := phonenumbers.GetNddPrefixForRegion(region, true)
	if trunk == "0" && number[first] != '0' && !strings.Contains(number[:first], "+") {
		return nil
	}
	n := plainNumber(number, region)
	if n == nil {
		var err error
		if n, err = phonenumbers.Parse(number, region); err != nil {
			return nil
		}
	}
	if extension != "" {
		n.Extension = &extension
	}
	return n
}

const (
	longestArea = 6 // how many digits an area code has at most, with the 0 before it
	shortest    = 4 // how many a number in it has at least; fewer are an extension, or a part
)

// twoNumbers: a slash stands behind an area code. Behind more digits than that there may be
// two numbers ("0511 12345 / 67890"), and as one they would be nobody's.
func twoNumbers(s, region string) bool {
	i := strings.LastIndexByte(s, '/')
	if i < 0 || len(dialable(s[i:])) < shortest {
		return false
	}
	before, most := dialable(s[:i]), longestArea
	if rest, abroad := strings.CutPrefix(before, "00"); abroad {
		before = "+" + rest
	}
	if country := plainCountries[region]; country != "" {
		before = strings.TrimPrefix(before, "+"+country)
	}
	if strings.HasPrefix(before, "+") {
		most += len("+999")
	}
	return len(before) > most
}

// dialable is a text without all but digits and plus signs.
func dialable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// plainCountries are the countries, with their calling codes, whose numbers are made by
// taking a 0 away and putting the code before; elsewhere the library knows the rules.
var plainCountries = map[string]string{"DE": "49", "AT": "43", "CH": "41"}

// plainNumber reads a number of such a country by itself: nearly all are, and the
// library takes ten times as long. nil: the library has to look.
func plainNumber(s, region string) *phonenumbers.PhoneNumber {
	country := plainCountries[region]
	if country == "" {
		return nil
	}
	all := dialable(s)
	national, abroad := strings.CutPrefix(all, "+"+country)
	if !abroad {
		national, abroad = strings.CutPrefix(all, "00"+country)
	}
	trunk := strings.HasPrefix(national, "0")
	national = strings.TrimPrefix(national, "0")
	if !abroad && !trunk || len(national) < 3 || len(national) > 17 || national[0] == '0' || !digits(national) {
		return nil
	}
	code, err := strconv.Atoi(country)
	if err != nil {
		return nil
	}
	number, err := strconv.ParseUint(national, 10, 64)
	if err != nil {
		return nil
	}
	code32 := int32(code) //nolint:gosec // two digits
	return &phonenumbers.PhoneNumber{CountryCode: &code32, NationalNumber: &number}
}

func foreignToPhones(r rune) bool {
	return !(r >= '0' && r <= '9') && !strings.ContainsRune("+()/-. \u00a0\u2010\u2011\u2012\u2013", r)
}

// cutExtension splits "0511 12345 ext. 89", also with x, App. or Durchwahl.
func cutExtension(s string) (number, extension string) {
	i := strings.LastIndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) + 1
	number, extension = strings.TrimRight(s[:i], " "), s[i:]
	for _, mark := range []string{"ext.", "ext", "x", "app.", "durchwahl", "dw", "#"} {
		if cut := len(number) - len(mark); cut > 0 && extension != "" && len(extension) < 8 && strings.EqualFold(number[cut:], mark) {
			return strings.TrimRight(number[:cut], " ,;-"), extension
		}
	}
	return s, ""
}

// dial writes a canonical number in the form of the one that stands there, else as it
// is dialled at home.
func (c *codec) dial(canonical, standing string) string {
	n := numberIn(canonical, c.region)
	if n == nil {
		return canonical
	}
	text := c.dialLike(n, standing)
	if canonicalPhone(text, c.region) != canonical { // it has lost something, or there is no such number
		return canonical
	}
	return text
}

func (c *codec) dialLike(n *phonenumbers.PhoneNumber, standing string) string {
	standing, _ = cutExtension(canonicalText(standing))
	home := int(n.GetCountryCode()) == phonenumbers.GetCountryCodeForRegion(c.region)
	abroad := strings.HasPrefix(standing, "+") || strings.HasPrefix(standing, "00")
	separator := separatorIn(standing)
	if abroad || !home {
		text := phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
		if standing != "" && abroad && separator == "" {
			text = canonicalPhone(text, c.region)
		}
		if strings.HasPrefix(standing, "00") {
			text = "00" + strings.TrimPrefix(text, "+")
		}
		return text
	}
	text := phonenumbers.Format(n, phonenumbers.NATIONAL)
	if standing == "" || dialled(standing, c.region) == nil {
		return text
	}
	return strings.Replace(text, " ", separator, 1)
}

// separatorIn is what stands between the area code and the number, without one half of a
// pair of brackets.
func separatorIn(s string) string {
	i := strings.IndexFunc(s, unicode.IsDigit)
	if i < 0 {
		return ""
	}
	s = strings.TrimLeft(s[i:], "0123456789")
	end := strings.IndexFunc(s, unicode.IsDigit)
	if end < 0 {
		return ""
	}
	return strings.Trim(s[:end], "()")
}
