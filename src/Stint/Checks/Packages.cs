namespace Stint.Checks;

/// <summary>The command that installs a package on this distribution.</summary>
internal static class Packages
{
    /// <summary>The command for a package, by its names where they differ. Without a known package manager: a sentence.</summary>
    public static string Install(string debian, string? fedora = null, string? alpine = null, string? arch = null)
    {
        var sudo = Environment.IsPrivilegedProcess ? "" : "sudo ";
        return 0 switch
        {
            _ when Tool.Find("apt-get") is not null => $"{sudo}apt-get install -y --no-install-recommends {debian}",
            _ when Tool.Find("dnf") is not null => $"{sudo}dnf install -y {fedora ?? debian}",
            _ when Tool.Find("apk") is not null => $"{sudo}apk add {alpine ?? debian}",
            _ when Tool.Find("pacman") is not null => $"{sudo}pacman -S --noconfirm {arch ?? debian}",
            _ => $"install the package {debian}",
        };
    }
}
