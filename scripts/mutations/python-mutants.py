"""Prints the mutants of Python sources (arguments) as JSON: for each, the spans to replace."""

import ast
import json
import sys

COMPARED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}
# Conditions as a whole. An equality that is one needs no mutant of its own.
whole = set()


def read(path):
    global source, starts, found, lines
    with open(path, encoding="utf-8") as file:
        source = file.read()
    starts, found, lines = [0], [], (1, 1)
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    visit(ast.parse(source), "")
    return found


def at(line, column):
    text = source[starts[line - 1] : starts[line]]
    return starts[line - 1] + len(text.encode()[:column].decode())


def add(kind, where, node, replacement):
    begin, end = at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)
    found.append({"kind": kind, "where": where, "start": begin, "end": end, "to": replacement, "lines": lines})


def text(node):
    return ast.get_source_segment(source, node)


def is_order(comparison):
    return isinstance(comparison.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))


def condition(where, node):
    whole.add(node)
    add("condition", where, node, "True")
    add("condition", where, node, "False")


def visit(node, where):
    global lines
    if isinstance(node, ast.stmt):
        # A statement with a body is run where its head is.
        body = getattr(node, "body", None)
        lines = (node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        where = node.name
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and (is_order(node) or node not in whole):
        operator = COMPARED[type(node.ops[0])]
        add("comparison", where, node, f"({text(node.left)} {operator} {text(node.comparators[0])})")
    elif isinstance(node, ast.BoolOp):
        neutral = "True" if isinstance(node.op, ast.And) else "False"
        for value in node.values:
            whole.add(value)
            add("condition", where, value, neutral)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        add("constant", where, node, str(not node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        for value in (1,) if node.value == 0 else (0,) if node.value == 1 else (node.value * 10,) if where else (node.value * 10, node.value / 10):
            add("constant", where, node, str(value))
    elif isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await)):
        add("statement", where, node, "pass")
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)) and where and ("self." in text(node) or "[" in text(node)):
        add("statement", where, node, "pass")
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        condition(where, node.test)
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            add("condition", where, test, "True")
    if isinstance(node, (ast.If, ast.For, ast.While)):
        # A condition that never holds is the same as an only statement that is left out.
        for child in node.body if len(node.body) > 1 or not isinstance(node, ast.If) else []:
            if isinstance(child, (ast.Return, ast.Continue, ast.Break, ast.Raise)):
                add("early return", where, child, "pass")
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in field if isinstance(field, list) else [field]:
            head = lines
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            is_message = isinstance(node, ast.Raise)
            if isinstance(child, ast.AST) and not is_text and not is_message and not isinstance(child, ast.JoinedStr):
                visit(child, where)
            lines = head


print(json.dumps([read(path) for path in sys.argv[1:]]))
