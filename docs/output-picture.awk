# Turns the output of `fault-proxy demo` or `fault-proxy margin` into an SVG picture, whose round trips or runs appear one after the other.
# Round trips with latency and runs that failed stand out. The variable `command` is the command, and `label` describes the picture.
function escaped(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}
BEGIN { size = 13; height = 19; margin = 16; width = length(command) + 2 }
# The table at the end is left out.
/^proxy\tsessions/ { exit }
NR == 1 { lines[++count] = "$ " command; lines[++count] = "" }
{ lines[++count] = $0; if (length($0) > width) width = length($0) }
END {
    while (lines[count] == "") count--
    w = int(2 * margin + width * size * 0.605); h = 2 * margin + count * height
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", w, h, w, h, label
    print "<style>text{font:" size "px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9}.command{fill:#7ee787}.late{fill:#ffa657}"
    print ".trip{animation:show .1s backwards}@keyframes show{from{opacity:0}}@media(prefers-reduced-motion){.trip{animation:none}}</style>"
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#0d1117\"/>\n", w, h
    for (i = 1; i <= count; i++) {
        if (lines[i] == "") continue
        class = ""; style = ""
        if (i == 1) class = "command"
        if (match(lines[i], /^#[0-9]+/)) {
            trips++
            split(lines[i], words, " ")
            class = words[5] + 0 >= 50 ? "trip late" : "trip"
            style = sprintf(" style=\"animation-delay:%.1fs\"", trips * 0.7)
        }
        if (lines[i] ~ /: (passed|failed) in /) {
            runs++
            class = lines[i] ~ /: failed in / ? "trip late" : "trip"
            style = sprintf(" style=\"animation-delay:%.1fs\"", runs * 0.3)
        }
        else if (runs) {
            # The result comes after the runs.
            class = lines[i] ~ /^passes up to / ? "command trip" : "trip"
            style = sprintf(" style=\"animation-delay:%.1fs\"", (runs + 1) * 0.3)
        }
        printf "<text x=\"%d\" y=\"%d\"%s%s>%s</text>\n", margin, margin + i * height - 5, class == "" ? "" : " class=\"" class "\"", style, escaped(lines[i])
    }
    print "</svg>"
}
