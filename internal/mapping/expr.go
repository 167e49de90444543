package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
	"golang.org/x/text/unicode/norm"
)

// Expressions see the source record's own names: texts in canonical form,
// numbers, booleans, and "" for whatever is null or not there, so that
// trim(vorname + " " + name) needs no case for a missing first name. They can
// compare, choose and join; they cannot loop, look outside, or grow a text
// beyond maxJoined.
const (
	maxExpression = 1000 // characters
	maxNodes      = 200
	maxJoined     = 1 << 20 // bytes of a joined text
)

// expression is a compiled condition or computed field.
type expression struct {
	source   string
	names    []string // dotted names that it reads, sorted
	literals []any    // texts and whole numbers that stand in it, for lint's probes
	program  *vm.Program
}

// compileExpression checks and compiles source. condition: its result must be
// true or false. The error says where in the expression it fails.
func compileExpression(source string, condition bool) (*expression, error) {
	if len(source) > maxExpression {
		return nil, fmt.Errorf("longer than %d characters", maxExpression)
	}
	n := &narrowing{}
	options := []expr.Option{expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Patch(n)}
	for _, f := range append(functions(), operators()...) {
		options = append(options, expr.Function(f.name, f.call, f.signature))
	}
	program, err := expr.Compile(source, options...)
	if n.err != nil {
		err = n.err.Bind(file.NewSource(source))
	}
	if err != nil {
		return nil, positioned(err)
	}
	// Not the library's AsBool: that makes false of a name that is not there.
	if t := program.Node().Type(); condition && t.Kind() != reflect.Bool && t.Kind() != reflect.Interface {
		return nil, fmt.Errorf("expected bool, but got %s", t)
	}
	return &expression{source: source, names: n.names(), literals: n.literals, program: program}, nil
}

// positioned words an error of the expression library in one line.
func positioned(err error) error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return err
	}
	message := fe.Message
	switch {
	case strings.Contains(message, "strconv."): // the words of Go's parser of numbers follow
		message, _, _ = strings.Cut(message, ": strconv.")
	case message == "unexpected token EOF":
		message = "it ends too early"
	case strings.HasPrefix(message, "error parsing regexp: "):
		message = "no regular expression: " + strings.TrimPrefix(message, "error parsing regexp: ")
	}
	if fe.Line > 1 {
		return fmt.Errorf("line %d, column %d: %s", fe.Line, fe.Column+1, message)
	}
	return fmt.Errorf("column %d: %s", fe.Column+1, message)
}

var errEvaluation = errors.New("cannot be evaluated for this record: the types in it do not go together")

// run evaluates e. The library's own error may quote values and is dropped.
func (e *expression) run(env map[string]any) (any, error) {
	out, err := expr.Run(e.program, env)
	if err != nil {
		return nil, errEvaluation
	}
	return out, nil
}

// holds evaluates a condition.
func (e *expression) holds(env map[string]any) (bool, error) {
	out, err := e.run(env)
	if err != nil {
		return false, err
	}
	b, ok := out.(bool)
	if !ok {
		return false, errors.New("is neither true nor false for this record")
	}
	return b, nil
}

// narrowing rewrites the library's tree to the small language above and notes
// what it reads. It visits what a node consists of before the node itself.
type narrowing struct {
	reads    map[string]int // names, and how often each is read
	literals []any
	err      *file.Error
}

func (n *narrowing) names() []string {
	var names []string
	for name, times := range n.reads {
		if times > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// refuse keeps the first refusal in reading order, and takes the node out: the
// library, which goes on, meets nothing that is not in the small language.
func (n *narrowing) refuse(node *ast.Node, format string, args ...any) {
	at := (*node).Location()
	if n.err == nil || at.From < n.err.From {
		n.err = &file.Error{Location: at, Message: fmt.Sprintf(format, args...)}
	}
	ast.Patch(node, &ast.NilNode{})
}

// ShouldRepeat and Reset make it the last to walk the tree: between its walk and
// the check that counts the library does not look at the types again.
func (n *narrowing) ShouldRepeat() bool { return false }

// Reset begins a walk.
func (n *narrowing) Reset() { *n = narrowing{reads: map[string]int{}} }

// Visit has one case for each kind of node.
func (n *narrowing) Visit(node *ast.Node) {
	switch v := (*node).(type) {
	case *ast.NilNode:
		ast.Patch(node, &ast.StringNode{})
	case *ast.IdentifierNode:
		if strings.HasPrefix(v.Value, "$") || strings.HasPrefix(v.Value, "#") {
			n.refuse(node, "%s is not available here", v.Value)
			return
		}
		n.reads[v.Value]++
	case *ast.StringNode:
		v.Value = norm.NFC.String(v.Value)
		n.literals = append(n.literals, v.Value)
	case *ast.IntegerNode:
		n.literals = append(n.literals, v.Value)
	case *ast.FloatNode, *ast.BoolNode, *ast.UnaryNode, *ast.ConditionalNode, *ast.ArrayNode:
	case *ast.MemberNode:
		n.member(node, v)
	case *ast.ChainNode:
		*node = v.Node
	case *ast.BinaryNode:
		n.binary(node, v)
	case *ast.CallNode:
		n.call(node, v)
	case *ast.BuiltinNode:
		n.refuse(node, "unknown function %s; there are %s", v.Name, functionNames())
	default:
		n.refuse(node, "not available here; there are names, texts, numbers, comparisons, and or not, ? :, and %s", functionNames())
	}
}

func (n *narrowing) binary(node *ast.Node, v *ast.BinaryNode) {
	switch v.Operator {
	case "+", "??":
		call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: v.Operator}, Arguments: []ast.Node{v.Left, v.Right}}
		ast.Patch(node, call)
	case "..":
		n.refuse(node, "ranges are not available here")
	case "matches":
		if _, ok := v.Right.(*ast.StringNode); !ok {
			n.refuse(node, "the pattern of matches must be a text that stands here")
		}
	}
}

func (n *narrowing) call(node *ast.Node, v *ast.CallNode) {
	callee, ok := v.Callee.(*ast.IdentifierNode)
	if !ok {
		n.refuse(node, "only functions can be called; there are %s", functionNames())
		return
	}
	if !typed(callee.Value) {
		n.refuse(node, "unknown function %s; there are %s", callee.Value, functionNames())
		return
	}
	n.reads[callee.Value]-- // it is no field
	// The library has looked at the types before this, and believes what it has found
	// of a call: forgotten, so that it looks into the call's arguments again.
	v.SetType(reflect.TypeFor[any]())
}

// member is a name such as adresse.plz, or an element of what a function gives:
// split(value, "/")[0], and [-1] for the last. An element that is not there makes
// the expression fail.
func (n *narrowing) member(node *ast.Node, v *ast.MemberNode) {
	switch parent := v.Node.(type) {
	case *ast.IdentifierNode:
		if property, ok := v.Property.(*ast.StringNode); ok && property.Value != "" && !strings.Contains(property.Value, ".") {
			name := parent.Value + "." + property.Value
			n.reads[parent.Value]--
			n.reads[name]++
			n.forget()
			ast.Patch(node, &ast.IdentifierNode{Value: name})
			return
		}
	case *ast.CallNode:
		index := v.Property
		if minus, ok := index.(*ast.UnaryNode); ok && minus.Operator == "-" {
			index = minus.Node
		}
		callee, ok := parent.Callee.(*ast.IdentifierNode)
		if _, number := index.(*ast.IntegerNode); number && ok && typed(callee.Value) {
			n.forget()
			return
		}
	}
	n.refuse(node, "only names like adresse.plz reach into a nested object, and split(x, \"/\")[0] into a list")
}

// forget drops the last literal: it was part of a member.
func (n *narrowing) forget() { n.literals = n.literals[:len(n.literals)-1] }

func asText(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case int:
		return strconv.Itoa(t)
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(t)
	default:
		return ""
	}
}

// envValue is a wire value as expressions see it.
func envValue(s scalar) any {
	switch s.kind {
	case scalarText, scalarTorn:
		return canonicalText(s.text)
	case scalarBool:
		return s.text == "true"
	case scalarNumber:
		return envNumber(s.text)
	case scalarComposite:
		if strings.Trim(s.text, "[]{} \t\r\n") == "" {
			return []any{}
		}
		return []any{nil}
	default:
		return ""
	}
}

// envNumber is an int or float64 where that is exact, else the decimal text.
func envNumber(raw string) any {
	text := canonicalNumber(raw)
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strconv.FormatFloat(f, 'f', -1, 64) == text {
		return f
	}
	return text
}

// resultScalar is what an expression gave, as a wire value.
func resultScalar(v any) scalar {
	switch t := v.(type) {
	case nil:
		return scalar{}
	case string:
		return scalar{scalarText, t}
	case int, float64:
		return scalar{scalarNumber, asText(t)}
	case bool:
		return scalar{scalarBool, asText(t)}
	default:
		return scalar{kind: scalarComposite}
	}
}
