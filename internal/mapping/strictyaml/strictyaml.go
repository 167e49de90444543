// Package strictyaml reads operator-written YAML so that every complaint can
// name file, line, key and the nearest right name. It gives a small tree with
// positions; what the keys mean is the caller's.
//
// Deliberately less than YAML: one document, no anchors, aliases, merge keys or
// tags. Nothing a configuration needs, and nothing that can grow in memory.
package strictyaml

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxSize  = 256 << 10 // bytes; a file of this kind has a few hundred
	maxDepth = 64
)

// Kind is what a node is.
type Kind uint8

// The kinds of node.
const (
	Null Kind = iota
	Scalar
	Map
	List
)

// Form is how a scalar was written.
type Form uint8

// The forms of a scalar: plain numbers and booleans are told from text, so that
// `yes` in quotes and 12 in quotes stay text.
const (
	Text Form = iota
	Int
	Float
	Bool
)

// Node is one value with the place it stands at.
type Node struct {
	Kind   Kind
	Form   Form   // of a scalar
	Value  string // of a scalar, as written
	Key    string // dotted path from the root, e.g. fields[2].type
	Line   int    // 1-based
	Column int
	Pairs  []Pair // of a map, in file order
	Items  []Node // of a list
}

// Pair is one member of a map.
type Pair struct {
	Name         string
	Line, Column int // of the name
	Value        Node
}

// Get is the member called name.
func (n Node) Get(name string) (Node, bool) {
	for _, p := range n.Pairs {
		if p.Name == name {
			return p.Value, true
		}
	}
	return Node{}, false
}

// Problem is one complaint about a file.
type Problem struct {
	File         string
	Line, Column int // 0: not known
	Key          string
	Text         string
	Suggestion   string // the nearest right name, "" when none is near
}

// String is "file:line: key: text (did you mean x?)".
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %s?)", p.Suggestion)
	}
	return harmless(b.String())
}

// harmless replaces what would move a terminal's cursor or colour: a file may
// hold anything, and its keys and names are quoted in messages.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Problems is all that is wrong with a file, in file order.
type Problems []Problem

// Error lists each problem on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the problems in file order.
func (ps Problems) Sort() {
	sort.SliceStable(ps, func(i, j int) bool {
		if ps[i].Line != ps[j].Line {
			return ps[i].Line < ps[j].Line
		}
		return ps[i].Column < ps[j].Column
	})
}

// Parse reads one document. An empty one is a Null node. The error is Problems.
func Parse(file string, src []byte) (Node, error) {
	if len(src) > maxSize {
		return Node{}, Problems{{File: file, Text: fmt.Sprintf("larger than %d KiB", maxSize>>10)}}
	}
	if line := tooDeep(src); line > 0 {
		return Node{}, Problems{{File: file, Line: line, Text: fmt.Sprintf("nested deeper than %d levels", maxDepth)}}
	}
	tree, err := parse(src)
	if err != nil {
		return Node{}, Problems{syntaxProblem(file, err)}
	}
	r := reader{file: file}
	var docs []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	if len(docs) == 0 {
		return Node{Line: 1, Column: 1}, nil
	}
	root := r.node(docs[0], "", 0)
	if len(docs) > 1 {
		line, col := position(docs[1])
		r.add(line, col, "", "a second document; only one is allowed in a file")
	}
	if len(r.problems) > 0 {
		r.problems.Sort()
		return Node{}, r.problems
	}
	return root, nil
}

// parse turns a panic of the YAML library on malformed input into an error: a
// typing mistake in a file must never end in a stack trace.
func parse(src []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("not readable as YAML")
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey()) // pairs refuses them, with their path
}

// tooDeep finds the line where brackets or list dashes nest deeper than the
// recursive parser should be trusted with; 0: nowhere.
func tooDeep(src []byte) int {
	line, depth, dashes := 1, 0, 0
	for _, c := range src {
		switch c {
		case '\n':
			line, dashes = line+1, 0
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-', '?', ':', '!', '&', '*', '|', '>':
			dashes++
		case ' ', '\t':
		default:
			dashes = 0
		}
		if depth > maxDepth || dashes > 8*maxDepth {
			return line
		}
	}
	return 0
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Text: "not readable as YAML"}
	var withToken yaml.Error
	if errors.As(err, &withToken) {
		p.Text += ": " + inWords(withToken.GetMessage())
		if tk := withToken.GetToken(); tk != nil && tk.Position != nil {
			p.Line, p.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return p
}

// inWords says in the words of somebody who writes such files what the library
// says in those of a parser; what is not known here passes as it is.
func inWords(message string) string {
	for _, w := range []struct{ part, words string }{
		{"that cannot start any token", "a tab or another character that no line begins with; indent with blanks"},
		{"flow mapping end token", "a { that is never closed with }"},
		{"sequence end token", "a [ that is never closed with ]"},
		{"end character of double-quoted", `a text that begins with " and does not end with it`},
		{"end character of single-quoted", "a text that begins with ' and does not end with it"},
		{"unexpected key name", "a name without a colon and a value after it"},
		{"mapping value is not allowed", "a second colon in one line; a text that holds one needs quotes"},
		{"non-map value is specified", "a line that is no \"name: value\""},
	} {
		if strings.Contains(message, w.part) {
			return w.words
		}
	}
	return message
}

type reader struct {
	file     string
	problems Problems
}

func (r *reader) add(line, col int, key, text string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Column: col, Key: key, Text: text})
}

func position(n ast.Node) (line, col int) {
	if n == nil {
		return 0, 0
	}
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return 0, 0
	}
	return tk.Position.Line, tk.Position.Column
}

// Join appends a name to a dotted key.
func Join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// It has one case for each kind of node.
//
//gocyclo:ignore
func (r *reader) node(n ast.Node, key string, depth int) Node {
	line, col := position(n)
	out := Node{Key: key, Line: line, Column: col}
	if depth > maxDepth {
		r.add(line, col, key, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		return out
	}
	switch v := n.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		out.Kind = Map
		out.Pairs = r.pairs(v.Values, key, depth)
	case *ast.MappingValueNode:
		out.Kind = Map
		out.Pairs = r.pairs([]*ast.MappingValueNode{v}, key, depth)
	case *ast.SequenceNode:
		out.Kind = List
		for i, item := range v.Values {
			out.Items = append(out.Items, r.node(item, fmt.Sprintf("%s[%d]", key, i), depth+1))
		}
	case *ast.StringNode:
		out.Kind, out.Value = Scalar, v.Value
	case *ast.LiteralNode:
		out.Kind = Scalar
		if v.Value != nil {
			out.Value = v.Value.Value
		}
	case *ast.IntegerNode:
		out.Kind, out.Form, out.Value = Scalar, Int, plain(v.Token)
	case *ast.FloatNode:
		out.Kind, out.Form, out.Value = Scalar, Float, plain(v.Token)
	case *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Value = Scalar, plain(n.GetToken())
	case *ast.BoolNode:
		out.Kind, out.Form, out.Value = Scalar, Bool, plain(v.Token)
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		r.add(line, col, key, "anchors, aliases and merge keys are not read here; write the value out")
	case *ast.TagNode:
		r.add(line, col, key, "tags are not read here; write the value without one")
	default:
		r.add(line, col, key, "not a value")
	}
	return out
}

func plain(tk *token.Token) string {
	if tk == nil {
		return ""
	}
	return tk.Value
}

func (r *reader) pairs(values []*ast.MappingValueNode, key string, depth int) []Pair {
	var out []Pair
	seen := map[string]bool{}
	for _, v := range values {
		line, col := position(v.Key)
		name, ok := keyName(v.Key)
		if !ok {
			r.add(line, col, key, "a key must be a plain name")
			continue
		}
		if seen[name] {
			r.add(line, col, Join(key, name), "this key stands here twice")
			continue
		}
		seen[name] = true
		val := r.node(v.Value, Join(key, name), depth+1)
		if val.Line == 0 {
			val.Line, val.Column = line, col
		}
		out = append(out, Pair{Name: name, Line: line, Column: col, Value: val})
	}
	return out
}

func keyName(k ast.MapKeyNode) (string, bool) {
	switch v := k.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return plain(k.GetToken()), true
	default:
		return "", false
	}
}
