package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
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
	cfg := conf.New(map[string]any{})
	cfg.Strict = false // any attribute may be named; unknown functions are refused below
	cfg.MaxNodes = maxNodes
	for name := range cfg.Builtins {
		cfg.Disabled[name] = true
	}
	clear(cfg.Builtins)
	for _, f := range functions() {
		cfg.Functions[f.Name] = f
	}
	if condition {
		cfg.Expect, cfg.ExpectAny = reflect.Bool, true
	}
	tree, err := parser.ParseWithConfig(source, cfg)
	if err != nil {
		return nil, positioned(err)
	}
	n := narrowing{names: map[string]bool{}}
	tree.Node = n.narrow(tree.Node)
	if n.err != nil {
		return nil, positioned(n.err.Bind(tree.Source))
	}
	if _, err := checker.Check(tree, cfg); err != nil {
		return nil, positioned(err)
	}
	if err := optimizer.Optimize(&tree.Node, cfg); err != nil {
		return nil, positioned(err)
	}
	cfg.Expect = reflect.Invalid // the result's type is checked by holds
	program, err := compiler.Compile(tree, cfg)
	if err != nil {
		return nil, errors.New("cannot be compiled")
	}
	e := &expression{source: source, literals: n.literals, program: program}
	for name := range n.names {
		e.names = append(e.names, name)
	}
	sort.Strings(e.names)
	return e, nil
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
	out, err := vm.Run(e.program, env)
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
// what it reads.
type narrowing struct {
	names    map[string]bool
	literals []any
	err      *file.Error
}

func (n *narrowing) refuse(node ast.Node, format string, args ...any) ast.Node {
	if n.err == nil {
		n.err = &file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}
	}
	return node
}

// It has one case for each kind of node.
//
//gocyclo:ignore
func (n *narrowing) narrow(node ast.Node) ast.Node {
	switch v := node.(type) {
	case *ast.NilNode:
		return placed(node, &ast.StringNode{})
	case *ast.IdentifierNode:
		return n.name(node, v.Value)
	case *ast.MemberNode:
		if part, ok := n.part(v); ok {
			return part
		}
		name, ok := dotted(v)
		if !ok {
			return n.refuse(node, "only names like adresse.plz reach into a nested object, and split(x, \"/\")[0] into a list")
		}
		return n.name(node, name)
	case *ast.ChainNode:
		return n.narrow(v.Node)
	case *ast.StringNode:
		v.Value = norm.NFC.String(v.Value)
		n.literals = append(n.literals, v.Value)
	case *ast.IntegerNode:
		n.literals = append(n.literals, v.Value)
	case *ast.FloatNode, *ast.BoolNode:
	case *ast.UnaryNode:
		v.Node = n.narrow(v.Node)
	case *ast.BinaryNode:
		return n.binary(v)
	case *ast.ConditionalNode:
		v.Cond, v.Exp1, v.Exp2 = n.narrow(v.Cond), n.narrow(v.Exp1), n.narrow(v.Exp2)
	case *ast.ArrayNode:
		for i := range v.Nodes {
			v.Nodes[i] = n.narrow(v.Nodes[i])
		}
	case *ast.CallNode:
		return n.call(v)
	case *ast.BuiltinNode:
		return n.refuse(node, "unknown function %s; there are %s", v.Name, functionNames())
	default:
		return n.refuse(node, "not available here; there are names, texts, numbers, comparisons, and or not, ? :, and %s", functionNames())
	}
	return node
}

func (n *narrowing) name(node ast.Node, name string) ast.Node {
	if strings.HasPrefix(name, "$") || strings.HasPrefix(name, "#") {
		return n.refuse(node, "%s is not available here", name)
	}
	n.names[name] = true
	return placed(node, &ast.IdentifierNode{Value: name})
}

func (n *narrowing) binary(v *ast.BinaryNode) ast.Node {
	v.Left, v.Right = n.narrow(v.Left), n.narrow(v.Right)
	switch v.Operator {
	case "+":
		return placed(v, callTo(v, joinName, v.Left, v.Right))
	case "??":
		return placed(v, callTo(v, "coalesce", v.Left, v.Right))
	case "..":
		return n.refuse(v, "ranges are not available here")
	case "matches":
		if _, ok := v.Right.(*ast.StringNode); !ok {
			return n.refuse(v, "the pattern of matches must be a text that stands here")
		}
	}
	return v
}

func (n *narrowing) call(v *ast.CallNode) ast.Node {
	callee, ok := v.Callee.(*ast.IdentifierNode)
	if !ok {
		return n.refuse(v, "only functions can be called; there are %s", functionNames())
	}
	known := false
	for _, f := range functions() {
		known = known || (f.Name == callee.Value && f.Name != joinName)
	}
	if !known {
		return n.refuse(v, "unknown function %s; there are %s", callee.Value, functionNames())
	}
	for i := range v.Arguments {
		v.Arguments[i] = n.narrow(v.Arguments[i])
	}
	return v
}

func placed(from, to ast.Node) ast.Node {
	to.SetLocation(from.Location())
	return to
}

func callTo(at ast.Node, name string, args ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: placed(at, &ast.IdentifierNode{Value: name}), Arguments: args}
}

// part is an element of what a function gives: split(value, "/")[0], and [-1] for the
// last. One that is not there makes the expression fail.
func (n *narrowing) part(v *ast.MemberNode) (ast.Node, bool) {
	call, isCall := v.Node.(*ast.CallNode)
	index := v.Property
	if minus, ok := index.(*ast.UnaryNode); ok && minus.Operator == "-" {
		index = minus.Node
	}
	if _, number := index.(*ast.IntegerNode); !isCall || !number {
		return nil, false
	}
	v.Node = n.call(call)
	return v, true
}

// dotted is the name that a chain of members spells.
func dotted(m *ast.MemberNode) (string, bool) {
	property, ok := m.Property.(*ast.StringNode)
	if !ok || m.Method || property.Value == "" || strings.ContainsAny(property.Value, ".") {
		return "", false
	}
	node := m.Node
	if chain, ok := node.(*ast.ChainNode); ok {
		node = chain.Node
	}
	switch parent := node.(type) {
	case *ast.IdentifierNode:
		return parent.Value + "." + property.Value, true
	case *ast.MemberNode:
		name, ok := dotted(parent)
		return name + "." + property.Value, ok
	default:
		return "", false
	}
}

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
