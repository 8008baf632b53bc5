//! Statements and expressions: the part of MATLAB that cases use after their data.

/// Where something stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Operators between two values. Comparisons and logic give 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Add,
    Subtract,
    /// `*`, which is the product of matrices unless one side is a scalar.
    Multiply,
    /// `/`, allowed with a scalar on the right.
    Divide,
    /// `^`, allowed between scalars.
    Power,
    MultiplyEach,
    DivideEach,
    PowerEach,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Operators before a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Minus,
    Not,
}

/// Something that has a value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    /// `:` as an index: all.
    All,
    /// `end` as an index: the last.
    Last(Place),
    /// A variable, a field, a constant or a function without arguments.
    Name(String, Place),
    /// A variable with indices, or a function with arguments.
    Indexed(String, Vec<Expression>, Place),
    Bracket(Bracket),
    /// A cell array; only its texts matter.
    Cells(Vec<String>),
    Signed(Sign, Box<Expression>),
    Transposed(Box<Expression>),
    Binary(Operator, Box<[Expression; 2]>, Place),
    /// `from:to` or `from:step:to`.
    Range(Box<[Expression; 3]>, Place),
}

/// `[ … ]`: figures as they stand, with the few entries that have to be computed beside them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Bracket {
    /// Entries in reading order; 0 where `computed` has one.
    pub(super) figures: Vec<f64>,
    /// Entries that are not figures, by their position in `figures`.
    pub(super) computed: Vec<(usize, Expression)>,
    /// Number of entries up to the end of each row.
    pub(super) row_ends: Vec<usize>,
    /// Line of each row.
    pub(super) lines: Vec<u32>,
}

/// Something that is done.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Statement {
    /// `function VARIABLE = NAME`.
    Function {
        variable: String,
        name: String,
        place: Place,
    },
    /// `NAME = VALUE` or `NAME(INDICES) = VALUE`.
    Assign {
        name: String,
        indices: Option<Vec<Expression>>,
        value: Expression,
        place: Place,
    },
    /// `[NAMES] = FUNCTION`, for the column numbers of MATPOWER.
    Columns {
        names: Vec<String>,
        function: String,
        place: Place,
    },
    /// A name that stands alone.
    Command(String, Place),
    /// `if`, `elseif`, `else` (whose condition is 1).
    If(Vec<(Expression, Vec<Statement>)>, Place),
    For {
        name: String,
        over: Expression,
        body: Vec<Statement>,
        place: Place,
    },
    Return,
}
