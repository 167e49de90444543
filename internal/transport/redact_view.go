package transport

import "strings"

// view is a text with some layers of escapes taken off, and where in the text each of
// its bytes comes from: a server that quotes a request in JSON, and puts that into a
// page, has escaped a secret twice.
type view struct {
	text     string
	from, to []int // byte i stands for text[from[i]:to[i]]; nil: nothing was taken off
}

// layers is how many escapes around a secret are taken off; one more is read with it.
const layers = 2

// views are the text as it is and with up to that many layers taken off, each kind
// in any order.
func views(text string) []view {
	all := []view{{text: text}}
	known := map[string]bool{text: true}
	for begin, depth := 0, 0; depth < layers; depth++ {
		end := len(all)
		for _, v := range all[begin:end] {
			for _, layer := range []func(string) (string, int){unescapePercent, unescapeJSON, unescapeHTML, unfold} {
				if w := v.without(layer); !known[w.text] {
					known[w.text] = true
					all = append(all, w)
				}
			}
		}
		begin = end
	}
	return all
}

// unfold drops the end of a line, and the blanks with which the next one begins.
func unfold(text string) (said string, took int) {
	if text[0] != '\r' && text[0] != '\n' {
		return "", 0
	}
	return "", len(text) - len(strings.TrimLeft(text, "\r\n\t "))
}

// without takes one layer off. layer reads what stands at the beginning of a text:
// what it says, and how many bytes it takes; 0 when it is nothing of that layer.
func (v view) without(layer func(string) (said string, took int)) view {
	var b strings.Builder
	var w view
	for i := 0; i < len(v.text); {
		said, took := layer(v.text[i:])
		if took == 0 {
			said, took = v.text[i:i+1], 1
		}
		b.WriteString(said)
		from, to := v.origin(i, i+took)
		for range len(said) {
			w.from, w.to = append(w.from, from), append(w.to, to)
		}
		i += took
	}
	w.text = b.String()
	return w
}

// origin is where in the text the bytes from begin to end come from.
func (v view) origin(begin, end int) (from, to int) {
	if v.from == nil {
		return begin, end
	}
	return v.from[begin], v.to[end-1]
}

// hide marks in the text where the bytes from begin to end come from.
func (v view) hide(hidden []bool, begin, end int) {
	from, to := v.origin(begin, end)
	for i := from; i < to; i++ {
		hidden[i] = true
	}
}
