package pagetext

import (
	"slices"
	"strings"
	"text/template/parse"
)

// mixed is the type of a value that is one thing or another; it can be tested and compared, not looked into.
const mixed Type = "mixed"

// typ is what is known of a value before there is one.
type typ struct {
	Type    Type
	members []Member // of a group, or of the entries of a list
}

func (t typ) same(other typ) bool {
	if t.Type != other.Type || len(t.members) != len(other.members) {
		return false
	}
	return len(t.members) == 0 || &t.members[0] == &other.members[0]
}

func (t typ) entry() typ {
	if t.members == nil {
		return typ{Type: String}
	}
	return typ{Type: Group, members: t.members}
}

const (
	// maxWork bounds the steps of one rendering, with every list as long as it may be. A step takes about 0.2 µs.
	maxWork = 2_000_000
	// maxDepth bounds how deep blocks and parentheses may lie in one another.
	maxDepth = 64
)

// checker walks a text and follows the types of what it says.
type checker struct {
	source string
	root   typ
	vars   []variable
	work   int // steps so far
	times  int // how often the current place is passed
	depth  int
}

type variable struct {
	name string
	typ  typ
}

// check refuses everything in a text that cannot work, or that could work too long.
func check(v *Vocabulary, source string, list *parse.ListNode) (err error) {
	c := &checker{source: source, root: typ{Type: Group, members: v.Members}, times: 1}
	c.vars = []variable{{"$", c.root}}
	defer func() {
		if r := recover(); r != nil {
			refusal, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = refusal
		}
	}()
	c.list(list, c.root)
	return nil
}

// refuse ends the walk.
func (c *checker) refuse(n parse.Node, format string, args ...any) {
	panic(errorAt(c.source, int(n.Position()), format, args...))
}

// step counts one step of work at a node.
func (c *checker) step(n parse.Node) {
	if c.work += c.times; c.work > maxWork {
		c.refuse(n, "the text repeats too much: lists within lists")
	}
}

func (c *checker) deeper(n parse.Node) func() {
	if c.depth++; c.depth > maxDepth {
		c.refuse(n, "the text is nested more than %d levels deep", maxDepth)
	}
	return func() { c.depth-- }
}

func (c *checker) list(list *parse.ListNode, dot typ) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		c.step(n)
		switch n := n.(type) {
		case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
		case *parse.ActionNode:
			t := c.pipe(n.Pipe, dot)
			if len(n.Pipe.Decl) == 0 && !plain(0, t) {
				c.refuse(n.Pipe, "this is a %s; say which of its members is meant", t.Type)
			}
		case *parse.IfNode:
			c.branch(&n.BranchNode, dot, func(t typ) typ { return dot })
		case *parse.WithNode:
			c.branch(&n.BranchNode, dot, func(t typ) typ { return t })
		case *parse.RangeNode:
			c.repeat(n, dot)
		case *parse.TemplateNode:
			c.refuse(n, "templates within templates cannot be used")
		default:
			c.refuse(n, "this cannot be used in a text")
		}
	}
}

// branch walks an if or a with; inner is what the dot is where the value is there.
func (c *checker) branch(n *parse.BranchNode, dot typ, inner func(typ) typ) {
	defer c.deeper(n)()
	known := len(c.vars)
	t := c.pipe(n.Pipe, dot)
	c.block(n.List, inner(t))
	c.block(n.ElseList, dot)
	c.vars = c.vars[:known]
}

func (c *checker) block(list *parse.ListNode, dot typ) {
	known := len(c.vars)
	c.list(list, dot)
	c.vars = c.vars[:known]
}

// repeat walks a range. Only lists can be repeated over: their length is bounded.
func (c *checker) repeat(n *parse.RangeNode, dot typ) {
	defer c.deeper(n)()
	known, times := len(c.vars), c.times
	declared := n.Pipe.Decl
	t := c.commands(n.Pipe, dot)
	if t.Type != List {
		c.refuse(n.Pipe, "only a list can be repeated over; this is a %s", t.Type)
	}
	if n.Pipe.IsAssign {
		c.refuse(n.Pipe, "a range declares its variables with :=")
	}
	switch len(declared) {
	case 1:
		c.declare(declared[0], t.entry())
	case 2:
		c.declare(declared[0], typ{Type: Number})
		c.declare(declared[1], t.entry())
	}
	c.times *= MaxEntries
	c.block(n.List, t.entry())
	c.times = times
	c.vars = c.vars[:known]
	c.block(n.ElseList, dot)
}

func (c *checker) declare(n *parse.VariableNode, t typ) {
	c.vars = append(c.vars, variable{n.Ident[0], t})
}

// pipe returns the type of an expression, and declares or assigns its variable.
func (c *checker) pipe(p *parse.PipeNode, dot typ) typ {
	t := c.commands(p, dot)
	for _, d := range p.Decl {
		if !p.IsAssign {
			c.declare(d, t)
			continue
		}
		if old := c.lookup(d); !old.same(t) {
			c.refuse(d, "%s is a %s and stays one", d.Ident[0], old.Type)
		}
	}
	return t
}

func (c *checker) commands(p *parse.PipeNode, dot typ) typ {
	if p == nil || len(p.Cmds) == 0 {
		panic(errorf("an expression is missing"))
	}
	defer c.deeper(p)()
	var value *typ
	for _, command := range p.Cmds {
		t := c.command(command, dot, value)
		value = &t
	}
	return *value
}

// command returns the type of one part of a pipeline; piped is what the part before it gives.
func (c *checker) command(command *parse.CommandNode, dot typ, piped *typ) typ {
	c.step(command)
	first := command.Args[0]
	name, isFunction := first.(*parse.IdentifierNode)
	if !isFunction {
		if len(command.Args) > 1 || piped != nil {
			c.refuse(command, "%s is no function", first.String())
		}
		return c.value(first, dot)
	}
	f, ok := functions[name.Ident]
	if !ok {
		c.refuse(name, "there is no function %s", name.Ident)
	}
	var args []typ
	for _, arg := range command.Args[1:] {
		args = append(args, c.value(arg, dot))
	}
	if piped != nil {
		args = append(args, *piped)
	}
	if len(args) < f.least || len(args) > f.most {
		c.refuse(name, "%s is used like this: %s", f.Name, f.Signature)
	}
	takes := f.takes
	if takes == nil {
		takes = plain
	}
	for i, arg := range args {
		if !takes(i, arg) {
			c.refuse(name, "%s is used like this: %s; argument %d is a %s", f.Name, f.Signature, i+1, arg.Type)
		}
	}
	return f.gives(args)
}

// value returns the type of an argument.
func (c *checker) value(n parse.Node, dot typ) typ {
	c.step(n)
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return c.fields(n, dot, n.Ident)
	case *parse.VariableNode:
		return c.fields(n, c.lookup(n), n.Ident[1:])
	case *parse.ChainNode:
		return c.fields(n, c.value(n.Node, dot), n.Field)
	case *parse.PipeNode:
		if len(n.Decl) > 0 {
			c.refuse(n, "a variable cannot be declared here")
		}
		return c.commands(n, dot)
	case *parse.IdentifierNode: // a function without arguments
		f, ok := functions[n.Ident]
		if !ok {
			c.refuse(n, "there is no function %s", n.Ident)
		}
		c.refuse(n, "%s is used like this: (%s)", f.Name, f.Signature)
	case *parse.StringNode:
		return typ{Type: String}
	case *parse.BoolNode:
		return typ{Type: Truth}
	case *parse.NumberNode:
		if !n.IsInt {
			c.refuse(n, "%s is no whole number", n.Text)
		}
		return typ{Type: Number}
	}
	c.refuse(n, "%s cannot be used in a text", n.String())
	return typ{}
}

func (c *checker) lookup(n *parse.VariableNode) typ {
	for _, v := range slices.Backward(c.vars) {
		if v.name == n.Ident[0] {
			return v.typ
		}
	}
	c.refuse(n, "there is no variable %s", n.Ident[0])
	return typ{}
}

// fields follows names from a value.
func (c *checker) fields(n parse.Node, t typ, names []string) typ {
	for _, name := range names {
		if t.Type != Group {
			c.refuse(n, "a %s has no member %s", t.Type, name)
		}
		m := find(t.members, name)
		if m == nil {
			c.refuse(n, "there is no %s here; there is %s", name, listed(t.members))
		}
		t = typ{Type: m.Type, members: m.Members}
	}
	return t
}

func listed(members []Member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}
