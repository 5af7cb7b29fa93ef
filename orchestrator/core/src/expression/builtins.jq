# What jq 1.7 defines in jq itself. A definition may use those above it, itself, and the native filters.
# Names that begin with two underscores are not visible to expressions.
def empty: {}[] as $x | .;
def error: __error as $x | .;
def error(message): (message | __error) as $x | .;
def not: if . then false else true end;
def select(f): if f then . else empty end;
def map(f): [.[] | f];
def now: $__now;

def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars: select(type | . != "array" and . != "object");
def finites: select(isinfinite | not);
def normals: select(isnormal);
def isvalid(f): try (f | true) catch false;
def abs: if type == "number" and . < 0 then -. elif type == "number" then . else error("\(type) (\(tojson)) has no absolute value") end;
def toarray: if type == "array" then . else [.] end;
def have_literal_numbers: true;
def have_decnum: false;

def range($upto): range(0; $upto; 1);
def range($from; $upto): range($from; $upto; 1);
def repeat(f): def again: f, again; again;
def recurse(f): def again: ., (f | again); again;
def recurse: recurse(.[]?);
def recurse(f; condition): def again: ., (f | select(condition) | again); again;
def recurse_down: recurse;
def while(condition; update): def again: if condition then ., (update | again) else empty end; again;
def until(condition; update): def again: if condition then . else update | again end; again;
def first: .[0];
def last: .[-1];
def last(f): __last(f);
def limit($n; f): if $n > 0 then __limit($n; f) elif $n == 0 then empty else f end;
def skip($n; f): if $n > 0 then __skip($n; f) elif $n == 0 then f else error("Invalid arguments to skip") end;
def nth($n): .[$n];
def nth($n; f): if $n < 0 then error("nth doesn't support negative indices") else first(__skip($n; f)) end;
def isempty(f): first((f | false), true);
def any(f; condition): isempty(first(f | condition | select(.))) | not;
def any(f): any(.[]; f);
def any: any(.);
def all(f; condition): isempty(first(f | condition | select(. | not)));
def all(f): all(.[]; f);
def all: all(.);
def add(f): reduce f as $x (null; . + $x);
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;
def combinations($n): . as $dot | [range($n)] | map($dot) | combinations;

def sort_by(f): __sort_by(map([f]));
def group_by(f): __group_by(map([f]));
def unique_by(f): [group_by(f)[] | .[0]];
def min_by(f): __min_by(map([f]));
def max_by(f): __max_by(map([f]));
def unique: unique_by(.);
def min: min_by(.);
def max: max_by(.);
def transpose: if . == [] then [] else . as $in | (map(length) | max) as $max | [range(0; $max) as $j | [range(0; $in | length) as $i | $in[$i][$j]]] end;
def flatten: flatten(1e9);
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1:][0];
def ascii: [.] | implode;

def strftime($format): __strftime($format | __format);
def strptime($format): __format as $text | __strptime($format | __format);
def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;
def todateiso8601: todate;
def fromdate: fromdateiso8601;
def date: todate;
def dateadd(unit; n): . + n;
def datesub(unit; n): . - n;

def paths: path(..) | select(length > 0);
def paths(condition): path_value(..) | select(.[0] | length > 0) | select(.[1] | condition) | .[0];
def leaf_paths: paths(scalars);
def del(f): delpaths([path(f)]);
def to_entries: [keys_unsorted[] as $k | {key: $k, value: .[$k]}];
def from_entries: [.[] | [(.key // .Key // .name // .Name), if has("value") then .value else .Value end]] | __object;
def with_entries(f): to_entries | map(f) | from_entries;
def map_values(f): __map_values(f);
def walk(f): def walked: __map_inside(walked) | f; walked;
def pick(f): . as $top | reduce path(f) as $p (null; setpath($p; $top | getpath($p)));
def tostream: path(def each: (.[]? | each), .; each) as $p | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f): {x: null, e: false} as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2
        then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(f): . as $n | null | f | . as $input
  | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;

def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(source; f): reduce source as $row ({}; setpath([$row | f | tostring]; $row));
def INDEX(f): INDEX(.[]; f);

def match(re; flags): __match(re; flags; false)[];
def match($val): ($val | type) as $type
  | if $type == "string" then match($val; null)
    elif $type == "array" and ($val | length) > 1 then match($val[0]; $val[1])
    elif $type == "array" and ($val | length) > 0 then match($val[0]; null)
    else error($type + " not a string or array") end;
def test(re; flags): __match(re; flags; true);
def test($val): ($val | type) as $type
  | if $type == "string" then test($val; null)
    elif $type == "array" and ($val | length) > 1 then test($val[0]; $val[1])
    elif $type == "array" and ($val | length) > 0 then test($val[0]; null)
    else error($type + " not a string or array") end;
def __captured: [.captures[] | select(.name != null) | [.name, .string]] | __object;
def capture(re; flags): match(re; flags) | __captured;
def capture($val): match($val) | __captured;
def scan($re; $flags): match($re; "g" + $flags)
  | if (.captures | length) > 0 then [.captures[] | .string] else .string end;
def scan($re): scan($re; null);
def split($re; $flags): . as $s
  | [foreach ((match($re; $flags + "g") | [.offset, .length]), null) as $m
      ([0, null]; if $m == null then [.[0], $s[.[0]:]] else [$m[0] + $m[1], $s[.[0]:$m[0]]] end; .[1])];
def splits($re; $flags): split($re; $flags)[];
def splits($re): splits($re; null);
def sub($re; text; $flags): . as $in
  | [match($re; $flags)] as $matches
  | [$matches[] | [__captured | text]] as $inserts
  | ([$inserts[] | length] | max) as $count
  | if ($count // 0) == 0 then $in
    else range($count) as $which
      | [range($matches | length) as $i
          | select($which < ($inserts[$i] | length))
          | (if $i == 0 then 0 else $matches[$i - 1] | .offset + .length end) as $from
          | $in[$from:$matches[$i].offset] + $inserts[$i][$which]]
      | add + $in[($matches[-1] | .offset + .length):]
    end;
def sub($re; text): sub($re; text; "");
def gsub($re; text; $flags): sub($re; text; $flags + "g");
def gsub($re; text): sub($re; text; "g");

def logb: if . == 0 then -infinite elif isinfinite then infinite elif isnan then . else ilogb end;
def significand: if isinfinite or isnan or . == 0 then . else scalbln(.; -ilogb) end;
def drem(x; y): remainder(x; y);
def nexttoward(x; y): nextafter(x; y);
def scalb(x; e): x * pow(2; e);
def gamma: lgamma;
def lgamma_r: [lgamma, (if . < 0 and (floor % 2 != 0) then -1 else 1 end)];
def pow10: pow(10; .);
