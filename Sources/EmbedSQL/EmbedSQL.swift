import Foundation
import PackagePlugin

/// Writes every `.sql` file of the target into one Swift source, so that the program carries its migrations.
///
/// A plugin on the target that owns the files, because SwiftPM then notices added, edited and deleted files; raw
/// string literals, because an array of bytes of the same size takes minutes to compile.
@main struct EmbedSQL: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        guard let target = target as? any SourceModuleTarget else { return [] }
        let files = target.sourceFiles(withSuffix: "sql").map(\.url).sorted { $0.path() < $1.path() }
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedSQL.swift")
        let script = #####"""
            out=$1; shift
            {
                echo 'let embeddedSQL: [(name: String, sql: String)] = ['
                for file in "$@"; do
                    printf '(name: "%s", sql: ####"""\n' "$(basename "$file" .sql)"
                    cat "$file"
                    printf '\n"""####),\n'
                done
                echo ']'
            } > "$out"
            """#####
        return [
            .buildCommand(
                displayName: "Embedding sql",
                executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", script, "embed", output.path()] + files.map { $0.path() },
                inputFiles: files,
                outputFiles: [output]
            )
        ]
    }
}
